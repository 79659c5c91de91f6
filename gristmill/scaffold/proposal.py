"""What is proposed for a pipeline: settings, each with what it rests on, and how they are written as TOML."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gristmill.config.catalogue import toml_value

_COLUMN = 34  # characters before a comment, where the setting is not longer
_WIDTH = 110  # of a line


@dataclass(frozen=True)
class Guess:
    """One setting, and why it has this value."""

    key: str
    value: Any
    why: str = ""  # what was seen, and what else could stand there


def values_of(guesses: Iterable[Guess]) -> dict[str, Any]:
    """Return the bare settings of one table: key to value."""
    return {guess.key: guess.value for guess in guesses}


@dataclass(frozen=True)
class Proposal:
    """A pipeline that is proposed."""

    domain: str
    seen: str  # the data at a glance: 100 rows, 2 columns
    tables: Mapping[str, Sequence[Guess]]
    notes: Sequence[str] = field(default_factory=list)  # what was seen that no setting tells

    def values(self) -> dict[str, dict[str, Any]]:
        """Return the bare settings: table to key to value."""
        return {name: values_of(guesses) for name, guesses in self.tables.items()}


def as_toml(name: str, draft: Proposal) -> str:
    """Return a draft as the whole text of a `pipelines.toml`, each guess with its reason behind it."""
    return "\n".join(_lines(name, draft)) + "\n"


def _lines(name: str, draft: Proposal) -> Iterator[str]:
    yield "# Written by `gristmill init`. Behind each guess stands what it rests on: change what is wrong."
    for note in draft.notes:
        yield from textwrap.wrap(_plain(note), _WIDTH, initial_indent="# ", subsequent_indent="# ")
    yield from ["", f"[pipelines.{name}]", f"domain = {toml_value(draft.domain)}"]
    yield f"description = {toml_value(draft.seen)}"
    for table, guesses in draft.tables.items():
        if guesses:
            yield from ["", f"[pipelines.{name}.{table}]"]
        for guess in guesses:
            yield from _setting(guess)


def _setting(guess: Guess) -> Iterator[str]:
    """Yield the lines of one setting; an array that is too long for one gets a line for each few of its items."""
    line = f"{guess.key} = {toml_value(guess.value)}"
    if len(line) <= _WIDTH or not isinstance(guess.value, list | tuple):
        yield from _explained(line, guess.why)
        return
    yield from _explained(f"{guess.key} = [", guess.why)
    row = "   "
    for item in map(toml_value, guess.value):
        if len(row) + len(item) + 2 > _WIDTH:
            yield row
            row = "   "
        row += f" {item},"
    yield from [row, "]"]


def _explained(line: str, why: str) -> list[str]:
    """Return a line with its comment, which goes on below where there is no room."""
    return hanging(f"{line:{_COLUMN}} # ", _plain(why), _WIDTH, f"{'':{_COLUMN}} # ") if why else [line]


def hanging(before: str, text: str, width: int, below: str) -> list[str]:
    """Return a text behind what stands before it, in lines of a width of which all but the first begin alike."""
    return textwrap.wrap(
        text, width, initial_indent=before, subsequent_indent=below, break_long_words=False, break_on_hyphens=False
    )


def _plain(text: str) -> str:
    """Return a text as a comment may hold it: names of columns can hold anything, line ends too."""
    return "".join(character if character.isprintable() else "?" for character in text)

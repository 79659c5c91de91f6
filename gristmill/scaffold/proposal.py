"""Proposed settings of a pipeline, each with its reason, and their text in TOML."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gristmill.errors import RequestError
from gristmill.util.toml import toml_value

_COMMENT_COLUMN = 26  # characters before a comment
_WIDTH = 80  # of a line


@dataclass(frozen=True)
class ForecastOptions:
    """Windows and columns of a forecast that the user requested."""

    horizon: int | None = None
    test: float | None = None  # observations; a number below 1 is a share
    series: tuple[str, ...] = ()

    def refuse(self) -> None:
        """Raise `RequestError` if there are any, because the pipeline is no forecast."""
        if option := next((name for name, value in vars(self).items() if value), None):
            raise RequestError(f"--{option}: only for --domain timeseries. Leave it out.")


NO_OPTIONS = ForecastOptions()


@dataclass(frozen=True)
class Guess:
    """One setting and the reason for its value."""

    key: str
    value: Any
    why: str = ""  # what was found, and what else is possible


def values_of(guesses: Iterable[Guess]) -> dict[str, Any]:
    """Return the settings of one table: key to value."""
    return {guess.key: guess.value for guess in guesses}


@dataclass(frozen=True)
class Proposal:
    """A proposed pipeline."""

    domain: str
    summary: str  # of the data: 100 rows, 2 columns
    tables: Mapping[str, Sequence[Guess]]
    notes: Sequence[str] = field(default_factory=list)  # findings that no setting mentions
    why: str = ""  # reason for the domain, if it was not requested

    def values(self) -> dict[str, dict[str, Any]]:
        """Return the settings: table to key to value."""
        return {name: values_of(guesses) for name, guesses in self.tables.items()}

    def with_preset(self, preset: str) -> "Proposal":
        """Return the proposal with the candidates of another preset."""
        model = [replace(guess, value=preset) if guess.key == "preset" else guess for guess in self.tables["model"]]
        return replace(self, tables={**self.tables, "model": model})


def as_toml(name: str, proposal: Proposal) -> str:
    """Return the text of a `pipelines.toml`, each guess followed by its reason."""
    lines = ["# Written by `gristmill init`: change what is wrong. The comments give reasons."]
    for note in proposal.notes:
        lines += textwrap.wrap(_printable(note), _WIDTH, initial_indent="# ", subsequent_indent="# ")
    lines += ["", f"[pipelines.{name}]", *_setting_lines(Guess("domain", proposal.domain, proposal.why))]
    lines.append(f"description = {toml_value(proposal.summary)}")
    for table, guesses in proposal.tables.items():
        lines += ["", f"[pipelines.{name}.{table}]"] if guesses else []
        for guess in guesses:
            lines += _setting_lines(guess)
    return "\n".join(lines) + "\n"


def _setting_lines(guess: Guess) -> list[str]:
    """Return the lines of one setting; a long array is broken into several."""
    line = f"{guess.key} = {toml_value(guess.value)}"
    if len(line) <= _WIDTH or not isinstance(guess.value, list | tuple):
        return _with_comment(line, guess.why)
    lines = _with_comment(f"{guess.key} = [", guess.why)
    row = "   "
    for item in map(toml_value, guess.value):
        if len(row) + len(item) + 2 > _WIDTH:
            lines.append(row)
            row = "   "
        row += f" {item},"
    return [*lines, row, "]"]


def _with_comment(line: str, why: str) -> list[str]:
    """Return the lines of a setting with its reason in a column, below the setting if that is longer."""
    if not why:
        return [line]
    indent, comment = f"{'':{_COMMENT_COLUMN}} # ", _printable(why)
    if len(line) > _COMMENT_COLUMN:
        return [line, *wrap_after(indent, comment, _WIDTH, indent)]
    return wrap_after(f"{line:{_COMMENT_COLUMN}} # ", comment, _WIDTH, indent)


def wrap_after(prefix: str, text: str, width: int, indent: str) -> list[str]:
    """Return a text after a prefix, wrapped to a width; further lines begin with the indent."""
    return textwrap.wrap(
        text, width, initial_indent=prefix, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _printable(text: str) -> str:
    """Return a text without line ends and other control characters, which names of columns may contain."""
    return "".join(character if character.isprintable() else "?" for character in text)

"""Proposed settings of a pipeline, each with its reason, their text in TOML, and the project with that text."""

import re
import shutil
import tempfile
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gristmill.config import catalogue
from gristmill.config.pipelines_file import PIPELINES_FILE
from gristmill.errors import RequestError
from gristmill.util.toml import toml_value

STORE_FOLDER = "/data/store/"  # default store of a project

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
    lines = ["# Written by `gristmill init`. Check the guesses: the comments give reasons."]
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


def check_new_project(folder: Path) -> None:
    """Raise `RequestError` if a folder has a `pipelines.toml` already, or if it or one above is a file."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        raise RequestError(f"{existing}: a file, so no project can be made there. Name a folder.")
    if (folder / PIPELINES_FILE).exists():
        raise RequestError(f"{folder / PIPELINES_FILE} exists already, and is kept. Name another folder, or edit it.")


def write_project(folder: Path, name: str, proposal: Proposal) -> Path:
    """Write `pipelines.toml`, and `.gitignore` if there is none, and return the path of the first."""
    text = as_toml(name, proposal)
    _check_loads(text)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PIPELINES_FILE
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        check_new_project(folder)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text(f"{STORE_FOLDER}\n", encoding="utf-8")
    return path


def keep_downloads(folder: Path, downloads: Path) -> None:
    """Move what was fetched into the store of a project, so that its first run does not fetch it again."""
    for fetched in downloads.iterdir():
        kept = catalogue.load(folder).store.root / "downloads" / fetched.name
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(fetched, kept)


def is_store_ignored(folder: Path) -> bool:
    """Return whether a project's `.gitignore` names the folder of artifacts, or the one above it."""
    lines = (folder / ".gitignore").read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.strip().strip("/") in ("data/store", "data") for line in lines)


def pipeline_name(requested: str | None, data_name: str) -> str:
    """Return the requested name of the pipeline, or the name of the data without suffixes."""
    if requested is not None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", requested):
            raise RequestError(f"--name {requested}: a pipeline's name has only letters, digits, - and _.")
        return requested
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", data_name.partition(".")[0]).strip("_-")
    return stem or "first"


def _check_loads(text: str) -> None:
    """Raise `RuntimeError` if gristmill rejects its own proposal, which would be a bug."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, PIPELINES_FILE)
        path.touch()
        catalogue.load(path.parent)  # raises `RequestError` if the environment is invalid, such as GRISTMILL_STORE
        path.write_text(text, encoding="utf-8")
        try:
            catalogue.load(path.parent)
        except RequestError as error:
            raise RuntimeError(f"init proposed what gristmill itself rejects: {error}") from error

"""Proposed settings of a pipeline, each with its reason, their text in TOML, and the project with that text."""

import os
import re
import shutil
import tempfile
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gristmill.config import catalogue
from gristmill.config.pipelines_file import PIPELINES_FILE
from gristmill.errors import RequestError
from gristmill.util.toml import toml_value

STORE_FOLDER = "/data/store/"  # default store of a project

_COMMENT_COLUMN = 26  # characters before a comment
_WIDTH = 100  # characters of a line


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
    """Return the text of a `pipelines.toml`, with the reason of each guess in one line beside it."""
    lines = ["# Written by `gristmill init`, with a reason for each guess. Check the guesses."]
    for note in proposal.notes:
        lines += textwrap.wrap(_printable(note), _WIDTH, initial_indent="# ", subsequent_indent="#   ")
    lines += ["", f"[pipelines.{name}]", *_setting_lines(Guess("domain", proposal.domain, proposal.why))]
    room = _WIDTH - len('description = ""')
    summary = proposal.summary if len(proposal.summary) <= room else f"{proposal.summary[: room - 1]}…"
    lines.append(f"description = {toml_value(summary)}")
    for table, guesses in proposal.tables.items():
        lines += ["", f"[pipelines.{name}.{table}]"] if guesses else []
        for guess in guesses:
            lines += _setting_lines(guess)
    return "\n".join(lines) + "\n"


def _setting_lines(guess: Guess) -> list[str]:
    """Return the lines of one setting; if it and its reason need more than one, an array is broken into several."""
    line = f"{guess.key} = {toml_value(guess.value)}"
    if len(whole := _with_reason(line, guess.why)) <= _WIDTH:
        return [whole]
    if not isinstance(guess.value, list | tuple):
        return [_shortened(f"# {_printable(guess.why)}"), line] if guess.why else [line]
    lines = [_shortened(_with_reason(f"{guess.key} = [", guess.why))]
    row = "   "
    for item in map(toml_value, guess.value):
        if len(row) + len(item) + 2 > _WIDTH:
            lines.append(row)
            row = "   "
        row += f" {item},"
    return [*lines, row, "]"]


def _with_reason(line: str, why: str) -> str:
    """Return a line with a reason, which begins at the column of comments if there is room."""
    if not why:
        return line
    comment = f" # {_printable(why)}"
    return f"{line:{max(0, min(_COMMENT_COLUMN, _WIDTH - len(comment)))}}{comment}"


def _shortened(line: str) -> str:
    """Return a line that fits the width: names of columns may make a reason too long."""
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 1]}…"


def _printable(text: str) -> str:
    """Return a text without line ends and other control characters, which names of columns may contain."""
    return "".join(character if character.isprintable() else "?" for character in text)


def check_new_project(folder: Path) -> None:
    """Raise `RequestError` if no project can be written to a folder, or if it has a `pipelines.toml` already."""
    existing = _existing(folder)
    if not existing.is_dir():
        raise RequestError(f"{existing}: a file, so no project can be made there. Name a folder.")
    if (folder / PIPELINES_FILE).exists():
        raise RequestError(f"{folder / PIPELINES_FILE} exists already, and is kept. Name another folder, or edit it.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise _not_writable(folder, existing, "no write permission")


def _existing(folder: Path) -> Path:
    """Return the folder, or else the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _not_writable(folder: Path, existing: Path, reason: str) -> RequestError:
    return RequestError(
        f"{folder}: cannot be written to ({reason}). Name a folder in which you may create files, or get the right to "
        f"write to {existing.absolute()}."
    )


def write_project(folder: Path, name: str, proposal: Proposal) -> Path:
    """Write `pipelines.toml`, and `.gitignore` if there is none, and return the path of the first.

    Raises:
        RequestError: a file exists already, or cannot be written; then nothing is left behind.
    """
    text = as_toml(name, proposal)
    _check_loads(text)
    existing = _existing(folder)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    files = {folder / PIPELINES_FILE: text}
    if not (folder / ".gitignore").exists():
        files[folder / ".gitignore"] = f"{STORE_FOLDER}\n"
    try:
        with ExitStack() as undo:
            for path in reversed(missing):
                path.mkdir()
                undo.callback(path.rmdir)
            for path, content in files.items():
                with path.open("x", encoding="utf-8") as file:
                    undo.callback(path.unlink)
                    file.write(content)
            undo.pop_all()
    except FileExistsError:
        check_new_project(folder)
        raise
    except OSError as error:
        raise _not_writable(folder, existing, error.strerror or str(error)) from None
    return folder / PIPELINES_FILE


def outer_project(folder: Path) -> Path | None:
    """Return the nearest project above a folder; None if there is none."""
    return next((above for above in folder.absolute().parents if (above / PIPELINES_FILE).is_file()), None)


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

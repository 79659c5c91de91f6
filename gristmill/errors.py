"""Exceptions that gristmill raises on purpose.

GristmillError
├── RequestError           the request or `pipelines.toml` is wrong; nothing was started   (exit 2)
└── WorkError              the work could not be done; nothing was published               (exit 1)
    ├── DataError          the data is unusable and must be fixed
    │   └── ArrivalSetAside    new data breaks a rule for arrivals; the last good data stays in use
    ├── SourceChanged      a source changed while it was read; retry
    ├── StoreError         the store cannot be written to or reached
    ├── CorruptArtifact    a stored file is missing or differs from its recorded hash
    ├── Diverged           the loss became NaN or infinite
    ├── Unsuitable         a kind of model cannot be fitted to the data
    └── ParityError        the predictions of a reloaded model differ from the scored ones

A message is one line: what, where (file, table, key or row), what was received, what to do.
"""

import re

__all__ = [
    "ArrivalSetAside",
    "CorruptArtifact",
    "DataError",
    "Diverged",
    "GristmillError",
    "ParityError",
    "RequestError",
    "SourceChanged",
    "StoreError",
    "Unsuitable",
    "WorkError",
    "count_of",
    "short_repr",
]

_PLURAL = re.compile(r"(?<!the )\b\w+s\b")  # not the ends in "empty at the ends"
_SINGULARS = {"classes": "class", "copies": "copy", "series": "series"}


class GristmillError(Exception):
    """Base of all errors that the CLI reports in one line, with an exit status."""

    exit_status = 1


class RequestError(GristmillError):
    """The command or `pipelines.toml` is invalid."""

    exit_status = 2


class WorkError(GristmillError):
    """The request was valid, but the work failed."""


class DataError(WorkError):
    """The data is missing, malformed or too small."""


class ArrivalSetAside(DataError):
    """New data of a source breaks rules for arrivals; `reasons` says how, by rule."""

    def __init__(self, message: str, reasons: dict[str, str]) -> None:
        super().__init__(message)
        self.reasons = reasons


class SourceChanged(WorkError):
    """A source file changed between hashing and reading."""


class StoreError(WorkError):
    """The store is not writable, full or unreachable."""


class CorruptArtifact(WorkError):
    """A file of an artifact is missing or does not match its hash."""


class Diverged(WorkError):
    """Training produced a loss that is not a finite number."""


class Unsuitable(WorkError):
    """A kind of model cannot be fitted to the data, or needs what is not installed; other kinds may fit."""


class ParityError(WorkError):
    """A model that was reloaded in a fresh process differs from the one that was scored."""


def short_repr(received: object, max_length: int = 60) -> str:
    """Return the repr of a value for a message, truncated because a cell may hold megabytes."""
    text = repr(received)
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."


def count_of(count: int, things: str) -> str:
    """Return a count with the plural of a noun, made singular after 1: `1,200 rows`, `1 class`, `1 such copy`.

    A noun whose plural does not just add an "s" must be in `_SINGULARS`.
    """
    if count == 1:
        things = _PLURAL.sub(lambda plural: _SINGULARS.get(plural[0], plural[0][:-1]), things, count=1)
    return f"{count:,} {things}"

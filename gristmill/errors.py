"""Every error gristmill raises on purpose.

GristmillError
├── RequestError           the request or `pipelines.toml` is wrong; nothing was started   (exit 2)
└── WorkError              the work could not be done; nothing was published               (exit 1)
    ├── DataError          the data cannot be used as it is
    ├── SourceChanged      a source was written to while it was read; worth another try
    ├── StoreError         the store cannot be written
    ├── CorruptArtifact    a stored file is not the one that was published
    ├── Diverged           the loss became NaN or infinite
    └── ParityError        a reloaded model does not predict what was scored

A message is one line: what, where (file, table, key or row), what was received, what to do.
"""

__all__ = [
    "CorruptArtifact",
    "DataError",
    "Diverged",
    "GristmillError",
    "ParityError",
    "RequestError",
    "SourceChanged",
    "StoreError",
    "WorkError",
    "count_such",
    "short_repr",
]


class GristmillError(Exception):
    """Base of all errors that are answered with one line and an exit status."""

    exit_status = 1


class RequestError(GristmillError):
    """The command or `pipelines.toml` asks for something that does not exist or does not fit."""

    exit_status = 2


class WorkError(GristmillError):
    """The request was sound; the work failed."""


class DataError(WorkError):
    """The data is missing, malformed or too small."""


class SourceChanged(WorkError):
    """A source file changed between hashing and reading."""


class StoreError(WorkError):
    """The store is not writable or is full."""


class CorruptArtifact(WorkError):
    """A file of an artifact is missing or its hash does not hold."""


class Diverged(WorkError):
    """Training produced a loss that is not a finite number."""


class ParityError(WorkError):
    """A model reloaded in a fresh process differs from the one that was scored."""


def short_repr(received: object, longest: int = 60) -> str:
    """Return a received value as a message shows it: a cell may hold megabytes."""
    text = repr(received)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def count_such(count: int, what: str) -> str:
    """Return how many more there are of what a message tells of: `1 such cell`, `2 such cells`."""
    return f"{count} such {what}{'' if count == 1 else 's'}"

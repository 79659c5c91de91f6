"""A unit of work, which any process can run that has the project's folder and its store."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Unit:
    """A flow with its parameters, all of them JSON values; its artifacts go to the store."""

    flow: str  # of a domain for a whole run, `trial` for a run up to its scores, `chunk` for a part of a stage
    parameters: dict[str, Any]  # including `pipeline` and `project`, the folder


@dataclass(frozen=True)
class WorkResult:
    """Result of a unit: the small JSON value that its flow returned, or an error in one line."""

    value: Any = None
    failed: str | None = None
    error: str | None = None  # class name of an exception that the flow raised


class WorkerDied(Exception):
    """A worker process ended during a unit; the message says how."""

"""A unit of work: what any process can do that sees the project's folder and its store."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Unit:
    """A flow with its parameters, all of them JSON values; what it makes is found in the store."""

    flow: str  # a whole run: a domain's; up to the scores: `trial`; a block of a backtest, a chunk of a stage: `chunk`
    parameters: dict[str, Any]  # among them `pipeline` and `project`, the folder


@dataclass(frozen=True)
class WorkResult:
    """What came of a unit: the small JSON value that its flow returned, or why it failed, in a line."""

    value: Any = None
    failed: str | None = None
    error: str | None = None  # the name of the error's class, where its flow raised one


class WorkerDied(Exception):
    """A worker process ended in the middle of a unit; its message says how."""

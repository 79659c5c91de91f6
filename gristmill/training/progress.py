"""Progress of the work in this process, reported to listeners such as the command line."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Epoch:
    """One finished epoch of a training."""

    number: int  # from 1
    of: int
    loss: float
    val_loss: float | None


class Listener(Protocol):
    """Receiver of what `report_epoch` and `report_work` report."""

    def epoch(self, pipeline: str, epoch: Epoch) -> None: ...

    def work(self, what: str, state: str, logged: bool) -> None: ...


_listeners: list[Listener] = []


def report_epoch(pipeline: str, epoch: Epoch) -> None:
    """Notify every listener that a pipeline's training has finished an epoch."""
    for listener in _listeners:
        listener.epoch(pipeline, epoch)


def report_work(what: str, state: str = "started", logged: bool = True) -> None:
    """Notify every listener of work that may take seconds before it starts: `train started`, `prefect starting`.

    If `logged` is false, listeners show it on a terminal only.
    """
    for listener in _listeners:
        listener.work(what, state, logged)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Notify a listener after each epoch within the block, and before work begins."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)

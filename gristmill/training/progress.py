"""Progress of the work in this process, reported to listeners such as the command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One finished epoch of a training."""

    number: int  # from 1
    of: int
    loss: float
    val_loss: float | None


Listener = Callable[[str, Epoch], None]  # pipeline, epoch
WorkListener = Callable[[str, str, bool], None]  # arguments of `report_work`

_listeners: list[Listener] = []
_work_listeners: list[WorkListener] = []


def report_epoch(pipeline: str, epoch: Epoch) -> None:
    """Notify every listener that a pipeline's training has finished an epoch."""
    for listener in _listeners:
        listener(pipeline, epoch)


def report_work(what: str, state: str = "started", logged: bool = True) -> None:
    """Notify every listener of work that may take seconds before it starts: `train started`, `prefect starting`.

    If `logged` is false, listeners show it on a terminal only.
    """
    for listener in _work_listeners:
        listener(what, state, logged)


@contextmanager
def listening(listener: Listener, on_work: WorkListener) -> Iterator[None]:
    """Call `listener` after each epoch within the block, and `on_work` before work begins."""
    _listeners.append(listener)
    _work_listeners.append(on_work)
    try:
        yield
    finally:
        _listeners.remove(listener)
        _work_listeners.remove(on_work)

"""Progress of the work in this process, reported to listeners such as the command line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gristmill.training.epoch import Epoch

Listener = Callable[[str, Epoch], None]
WorkListener = Callable[[str, str, bool], None]

_listeners: list[Listener] = []
_work_listeners: list[WorkListener] = []


def report_epoch(pipeline: str, epoch: Epoch) -> None:
    """Tell every listener that a pipeline's training finished an epoch."""
    for listener in _listeners:
        listener(pipeline, epoch)


def report_work(what: str, how: str = "started", logged: bool = True) -> None:
    """Tell every listener of work that may take seconds, before it begins: `train started`, `prefect starting`.

    Args:
        what: the work.
        how: its state, such as `started`.
        logged: whether to log it too, not only show it on a terminal.
    """
    for listener in _work_listeners:
        listener(what, how, logged)


@contextmanager
def listening(listener: Listener, on_work: WorkListener | None = None) -> Iterator[None]:
    """Have `listener` called after each epoch within the block, and `on_work` before work begins."""
    _listeners.append(listener)
    if on_work:
        _work_listeners.append(on_work)
    try:
        yield
    finally:
        _listeners.remove(listener)
        if on_work:
            _work_listeners.remove(on_work)

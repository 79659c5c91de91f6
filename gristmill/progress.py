"""Progress of training, told to whoever listens in this process: the command line draws it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gristmill.epoch import Epoch

Listener = Callable[[str, Epoch], None]

_listeners: list[Listener] = []


def tell(pipeline: str, epoch: Epoch) -> None:
    """Tell every listener that a pipeline's training finished an epoch."""
    for listener in _listeners:
        listener(pipeline, epoch)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` called within the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)

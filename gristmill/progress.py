"""Progress of training, told to whoever listens in this process: the command line draws it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """How a training stands at the end of an epoch."""

    number: int  # from 1
    of: int
    loss: float
    val_loss: float | None


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

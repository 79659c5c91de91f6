"""Limit the time of a block."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SECONDS_BETWEEN_ATTEMPTS = 60  # repeated, because another library's callback may lose the exception


class TimeIsUp(BaseException):
    """The time limit of a block has passed; not an `Exception`, so code that handles errors does not catch it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeIsUp` in the block after some seconds; only in the main thread, as soon as Python code runs there."""

    def stop(*_: object) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, _SECONDS_BETWEEN_ATTEMPTS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

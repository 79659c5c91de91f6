"""Measure repeated calls, such as predictions, and limit the time of a block."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_CALLS = 3
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


def fastest(call: Callable[[], object]) -> float:
    """Return the seconds of the fastest of some calls: the first may compile, and others may wait for the machine."""
    seconds = []
    for _ in range(_CALLS):
        begun = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)

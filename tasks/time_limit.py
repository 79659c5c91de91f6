"""Limit to the time of a block."""

import math
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SECONDS_BETWEEN_ATTEMPTS = 60  # to stop a block; repeated, because another library's callback may lose the exception
_SECONDS_TO_RETRY = 0.2  # if a module is being imported, or the exception was lost in a finalizer
_SOON = 1e-3  # seconds; a timer of 0 would be none


class TimeIsUp(BaseException):
    """The time limit of a block has passed; not an `Exception`, so code that handles errors does not catch it."""


class BudgetEnded(TimeIsUp):
    """The budget of a run has no more time for a candidate."""


@contextmanager
def time_limit(seconds: float, error: type[TimeIsUp] = TimeIsUp) -> Iterator[None]:
    """Raise an error in the block after some seconds, as soon as Python code runs that does not import a module.

    There is no limit outside the main thread, which is the only one that Python can stop. A limit around this one
    remains in force.
    """
    around = signal.getitimer(signal.ITIMER_REAL)[0]
    if seconds == math.inf or 0 < around <= seconds or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_: int, frame: FrameType | None) -> None:
        if _imports(frame):
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_RETRY, _SECONDS_BETWEEN_ATTEMPTS)
        else:
            raise error

    def retry(lost: "sys.UnraisableHookArgs") -> None:
        if isinstance(lost.exc_value, error):
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_RETRY, _SECONDS_BETWEEN_ATTEMPTS)
        else:
            hook(lost)

    hook, sys.unraisablehook = sys.unraisablehook, retry
    before, begun = signal.signal(signal.SIGALRM, stop), time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, max(seconds, _SOON), _SECONDS_BETWEEN_ATTEMPTS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        sys.unraisablehook = hook
        if around:
            left = max(around - (time.monotonic() - begun), _SOON)
            signal.setitimer(signal.ITIMER_REAL, left, _SECONDS_BETWEEN_ATTEMPTS)


def _imports(frame: FrameType | None) -> bool:
    """Return whether a module is being imported; an interrupted import can break it for the rest of the process."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False

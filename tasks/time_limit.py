"""Limit to the time of a block."""

import logging
import math
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType

_SECONDS_BETWEEN_ATTEMPTS = 60  # to stop a block; repeated, because another library's callback may lose the exception
_SECONDS_TO_RETRY = 0.2  # if raising was unsafe, or a finalizer lost the error
_SOON = 1e-3  # seconds; a timer of 0 would be none


class TimeIsUp(BaseException):
    """The time limit of a block has passed; not an `Exception`, so code that handles errors does not catch it."""


class BudgetEnded(TimeIsUp):
    """The budget of a run has no more time for a candidate."""


@contextmanager
def time_limit(seconds: float, error: type[TimeIsUp] = TimeIsUp) -> Iterator[None]:
    """Raise an error in the block after some seconds, as soon as it is safe to interrupt the Python code that runs.

    It waits until imports are finished, and while locks are acquired or released: nobody would release them.

    A block that swallows the error, or makes another one of it, raises it at its end. There is no limit outside the
    main thread, which is the only one that Python can stop. A limit around this one remains in force.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    around, before = signal.getitimer(signal.ITIMER_REAL)[0], signal.getsignal(signal.SIGALRM)
    if seconds == math.inf or 0 < around <= seconds:
        with _raising_swallowed(before):
            yield
        return
    hook, begun = sys.unraisablehook, time.monotonic()
    limit = _Limit(error, hook)
    try:
        sys.unraisablehook = limit.retry
        signal.signal(signal.SIGALRM, limit)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, _SOON), _SECONDS_BETWEEN_ATTEMPTS)
        with _raising_swallowed(limit):
            yield
    finally:
        limit.end()
        sys.unraisablehook = hook
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:  # also after Ctrl-C
            try:
                signal.signal(signal.SIGALRM, before)
            finally:
                if around:
                    left = max(around - (time.monotonic() - begun), _SOON)
                    signal.setitimer(signal.ITIMER_REAL, left, _SECONDS_BETWEEN_ATTEMPTS)


class _Limit:
    """Limit of one block, and the handler of its alarm."""

    def __init__(self, error: type[TimeIsUp], hook: "Callable[[sys.UnraisableHookArgs], object]") -> None:
        self.error, self._hook = error, hook
        self.fired = self.over = False
        self._put_off_at: tuple[FrameType | CodeType, int] | None = None  # with the instruction

    def __call__(self, _: int, frame: FrameType | None) -> None:
        if self.over:
            return
        if self._must_wait(frame):
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_RETRY, _SECONDS_BETWEEN_ATTEMPTS)
        else:
            self.fired = True
            raise self.error

    def end(self) -> None:
        """Ignore what comes after the block; frames would keep its variables alive."""
        self.over, self._put_off_at = True, None

    def _must_wait(self, frame: FrameType | None) -> bool:
        """Return whether an error is unsafe: in an import, or in code that may hold a lock.

        Code that is where it was at the last alarm is waiting for a lock or an event, so it can be interrupted.
        """
        before, self._put_off_at = self._put_off_at, None
        if _imports(frame):
            return True
        if frame is None or not _may_hold_lock(frame):
            return False
        waits = frame.f_code is threading.Condition.wait.__code__  # each of its short waits counts as the same one
        self._put_off_at = (frame.f_code if waits else frame, frame.f_lasti)
        return before != self._put_off_at

    def retry(self, lost: "sys.UnraisableHookArgs") -> None:
        """Try again to stop the block if a finalizer, or a library written in C, has lost the error."""
        if isinstance(lost.exc_value, self.error) or isinstance(getattr(lost.exc_value, "__cause__", None), self.error):
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_RETRY, _SECONDS_BETWEEN_ATTEMPTS)
        else:
            self._hook(lost)


@contextmanager
def _raising_swallowed(limit: object) -> Iterator[None]:
    """Raise the error of a limit at the end of the block if it was raised before, but did not leave the block."""
    try:
        yield
    except Exception as error:
        if isinstance(limit, _Limit) and limit.fired:
            raise limit.error from error
        raise
    if isinstance(limit, _Limit) and limit.fired:
        raise limit.error


def _may_hold_lock(frame: FrameType) -> bool:
    """Return whether code acquires or releases a lock, or a block begins or ends: an error would skip the clean-up."""
    names = {one.f_code.co_name for one in (frame, frame.f_back) if one}
    return bool(names & _BLOCK_METHODS) or frame.f_code.co_filename in _FILES_WITH_LOCKS


_BLOCK_METHODS = {"__enter__", "__exit__", "__aenter__", "__aexit__"}
_WITH_LOCKS = (contextmanager, logging.info, queue.Queue.put, subprocess.run, tempfile.mkstemp, threading.Thread.start)
_FILES_WITH_LOCKS = {function.__code__.co_filename for function in (*_WITH_LOCKS, _may_hold_lock)}


def _imports(frame: FrameType | None) -> bool:
    """Return whether a module is being imported; an interrupted import can break it for the rest of the process."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False

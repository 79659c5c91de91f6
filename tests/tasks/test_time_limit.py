"""Limit to the time of a block."""

import logging
import math
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gristmill.errors import RequestError
from tasks import time_limit as module
from tasks.time_limit import TimeIsUp, time_limit


def test_a_block_ends_after_its_time_even_if_it_swallows_the_first_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS_BETWEEN_ATTEMPTS", 0.05)
    before, reached = signal.getsignal(signal.SIGALRM), []

    def work() -> None:
        with suppress(BaseException):
            time.sleep(30)
        reached.append("after the first")
        time.sleep(30)

    with pytest.raises(TimeIsUp), time_limit(0.05):
        work()

    assert reached == ["after the first"]
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize("around", [False, True])
@pytest.mark.parametrize("becomes", [None, RequestError("of the user's code")])
def test_a_swallowed_exception_is_raised_at_the_end_of_the_block(becomes: RequestError | None, around: bool) -> None:
    """It is that of a limit around the block, too, so that the block's result is not used."""
    before, reached = signal.getsignal(signal.SIGALRM), []

    def work() -> None:
        with time_limit(math.inf) if around else nullcontext():
            with suppress(BaseException):
                time.sleep(30)
            if becomes:
                raise becomes
        reached.append("after the inner block")

    with pytest.raises(TimeIsUp) as raised, time_limit(0.01):
        work()

    assert raised.value.__cause__ is becomes
    assert bool(reached) == (not around and becomes is None)
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_alarm_does_not_interrupt_the_clean_up(monkeypatch: pytest.MonkeyPatch) -> None:
    before, hook, set_timer = signal.getsignal(signal.SIGALRM), sys.unraisablehook, signal.setitimer

    def alarm(which: int, *seconds: float) -> None:
        set_timer(which, *seconds)
        if seconds == (0,):
            signal.raise_signal(signal.SIGALRM)

    monkeypatch.setattr(signal, "setitimer", alarm)
    with time_limit(30):
        pass

    assert signal.getsignal(signal.SIGALRM) is before
    assert sys.unraisablehook is hook
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_ctrl_c_in_the_clean_up_leaves_no_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    before, hook, set_timer = signal.getsignal(signal.SIGALRM), sys.unraisablehook, signal.setitimer

    def interrupted(which: int, *seconds: float) -> None:
        set_timer(which, *seconds)
        if seconds == (0,):
            raise KeyboardInterrupt

    monkeypatch.setattr(signal, "setitimer", interrupted)
    with pytest.raises(KeyboardInterrupt), time_limit(30):
        pass

    assert signal.getsignal(signal.SIGALRM) is before
    assert sys.unraisablehook is hook


def test_an_alarm_between_the_block_and_its_clean_up_waits() -> None:
    frames = []

    @contextmanager
    def other() -> Iterator[None]:
        frames.append(sys._getframe(1))  # of `__enter__`
        yield

    with time_limit(30):
        with other():
            handler: Any = signal.getsignal(signal.SIGALRM)
        handler(signal.SIGALRM, *frames)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 1


def test_an_alarm_while_a_lock_is_taken_waits_unless_the_code_still_waits_for_the_lock() -> None:
    frames = []

    class Lock:
        def acquire(self) -> None:
            frames.append(sys._getframe(1))  # of the method of `logging.Handler` that takes the lock

    log_handler = logging.NullHandler()
    vars(log_handler)["lock"] = Lock()
    log_handler.acquire()

    with suppress(TimeIsUp), time_limit(30):
        handler: Any = signal.getsignal(signal.SIGALRM)
        handler(signal.SIGALRM, *frames)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 1
        with pytest.raises(TimeIsUp):
            handler(signal.SIGALRM, *frames)


@pytest.mark.slow
def test_no_alarm_leaves_the_lock_of_a_queue_acquired(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of them would if the limit did not wait for the lock."""
    monkeypatch.setattr(module, "_SECONDS_TO_RETRY", 0.003)
    for attempt in range(40):
        shared: queue.Queue[int] = queue.Queue()
        with suppress(TimeIsUp), time_limit(0.001 + attempt * 1e-4):
            while True:
                shared.put(1)
                shared.get()
        assert shared.mutex.acquire(timeout=1)


def test_a_block_that_waits_often_and_briefly_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SECONDS_TO_RETRY", 0.02)
    waits = 0

    def work() -> None:
        nonlocal waits
        while waits < 2000:
            threading.Event().wait(0.005)
            waits += 1

    with pytest.raises(TimeIsUp), time_limit(0.01):
        work()

    assert waits < 2000


def test_an_error_that_a_library_in_c_has_replaced_is_raised_again() -> None:
    replaced = SystemError("returned a result with an exception set")
    replaced.__cause__ = TimeIsUp()
    lost: Any = SimpleNamespace(exc_value=replaced)
    with time_limit(30):
        sys.unraisablehook(lost)
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 1


def test_a_block_that_is_fast_enough_leaves_no_alarm() -> None:
    before = signal.getsignal(signal.SIGALRM)

    with time_limit(30):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0

    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_limit_within_another_one_leaves_the_rest_of_its_time() -> None:
    with time_limit(30):
        with pytest.raises(TimeIsUp), time_limit(0.01):
            time.sleep(30)
        assert 29 < signal.getitimer(signal.ITIMER_REAL)[0] < 30
        with time_limit(60):
            assert signal.getitimer(signal.ITIMER_REAL)[0] < 30

    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_an_import_is_finished_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_to_import.py").write_text("import time\n\ntime.sleep(0.05)\n")
    monkeypatch.syspath_prepend(tmp_path)

    def work() -> None:
        import_module("slow_to_import")
        time.sleep(30)

    with pytest.raises(TimeIsUp), time_limit(0.01):
        work()

    assert sys.modules.pop("slow_to_import")


def test_a_finalizer_does_not_swallow_the_exception() -> None:
    class Slow:
        def __del__(self) -> None:
            time.sleep(0.05)

    def work() -> None:
        Slow()
        time.sleep(30)

    hook = sys.unraisablehook
    with pytest.raises(TimeIsUp), time_limit(0.01):
        work()

    assert sys.unraisablehook is hook

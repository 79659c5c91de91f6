"""Limit to the time of a block."""

import signal
import time
from contextlib import suppress

import pytest

from tasks import retraining_run as module
from tasks.retraining_run import TimeIsUp, time_limit


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


def test_a_block_that_is_fast_enough_leaves_no_alarm() -> None:
    before = signal.getsignal(signal.SIGALRM)

    with time_limit(30):
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0

    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)

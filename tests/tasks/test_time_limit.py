"""Limit to the time of a block."""

import signal
import sys
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

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

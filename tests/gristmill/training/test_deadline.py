"""Deadlines of the work in a thread."""

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from gristmill.training import deadline as module
from gristmill.training.deadline import Deadline, DeadlinePassed, TimedStep, check_deadlines, waiting


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Function that sets the clock."""
    clock = SimpleNamespace(time=0.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.time))
    return lambda seconds: setattr(clock, "time", seconds)


def test_work_without_a_deadline_is_never_ended() -> None:
    check_deadlines()
    with waiting() as timeout:
        assert timeout is None
    with Deadline().enforce("work"), waiting() as timeout:
        check_deadlines()
        assert timeout is None


def test_work_ends_at_the_first_check_after_its_deadline(now: Callable[[float], None]) -> None:
    deadline = Deadline.after(10)
    with deadline.enforce("work"):
        now(9)
        check_deadlines()
        with waiting() as timeout:
            assert timeout == 1
            now(12)
        with waiting() as timeout:
            assert timeout == 0
        with pytest.raises(DeadlinePassed) as raised:
            check_deadlines()

    assert raised.value.deadline is deadline
    assert deadline.seconds_left == -2
    check_deadlines()  # the work has ended


def test_the_deadline_around_another_one_is_checked_too(now: Callable[[float], None]) -> None:
    outer, inner = Deadline.after(10), Deadline.after(20)
    with outer.enforce("all"), inner.enforce("part"):
        with waiting() as timeout:
            assert timeout == 10
        now(10)
        with pytest.raises(DeadlinePassed) as raised:
            check_deadlines()

    assert raised.value.deadline is outer


def test_the_longest_step_is_kept_across_blocks(now: Callable[[float], None]) -> None:
    deadline = Deadline.after(100)
    for work, times in {"train ets": (1, 4), "train gru": (5, 10), "train lstm": (12, 13)}.items():
        with deadline.enforce(work):
            for seconds in times:
                now(seconds)
                check_deadlines()

    assert deadline.longest_step == TimedStep(5, "train gru")


def test_waiting_does_not_count_as_a_step(now: Callable[[float], None]) -> None:
    deadline = Deadline.after(100)
    with deadline.enforce("train boosted_trees"):
        now(2)
        with waiting():
            now(50)
        now(53)

    assert deadline.longest_step == TimedStep(3, "train boosted_trees")


def test_a_deadline_applies_only_to_the_thread_that_enforces_it(now: Callable[[float], None]) -> None:
    ended: list[str] = []

    def work() -> None:
        check_deadlines()
        ended.append("without")
        try:
            with Deadline.after(1).enforce("work"):
                now(1)
                check_deadlines()
        except DeadlinePassed:
            ended.append("passed")

    with Deadline.after(0.5).enforce("this"):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert ended == ["without", "passed"]


def test_work_does_not_begin_after_its_deadline(now: Callable[[float], None]) -> None:
    deadline = Deadline.after(1)
    now(1)
    with pytest.raises(DeadlinePassed), deadline.enforce("work"):
        pytest.fail("the work began")

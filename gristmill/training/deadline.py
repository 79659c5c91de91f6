"""Deadline of the work in this thread, which is checked between steps that cannot be interrupted.

Such a step is a batch of a network's training, a fold, or a part of a model in closed form. Boosted trees are fitted in
a process of their own, which is stopped at once. A deadline ends work but never changes its result. It is therefore
neither an argument of a stage nor in its key. Like a timeout of asyncio, it applies to the code in a `with` block:

    deadline = Deadline.after(60)
    with deadline.enforce("train theta"):
        core(...)  # calls `check_deadlines`, which raises `DeadlinePassed` after a minute
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple, Self

_applied: ContextVar[tuple["Deadline", ...]] = ContextVar("deadlines", default=())


class DeadlinePassed(BaseException):
    """A deadline has passed; not an `Exception`, so code that handles errors does not catch it."""

    def __init__(self, deadline: "Deadline") -> None:
        super().__init__("the deadline of the work has passed")
        self.deadline = deadline


class TimedStep(NamedTuple):
    """Work between two checks, which cannot be interrupted."""

    seconds: float = 0.0
    work: str = ""


@dataclass(eq=False)
class Deadline:
    """Time at which work should end, and the longest step of that work so far: the end is late by one step at most."""

    at: float = math.inf  # monotonic time
    longest_step: TimedStep = field(default_factory=TimedStep)
    _begun: float = 0.0  # monotonic time at which the current step began
    _work: str = ""

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Return a deadline some seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.at - time.monotonic()

    @contextmanager
    def enforce(self, work: str) -> Iterator[None]:
        """Apply the deadline to the block; `work` names it in `longest_step`.

        Raises:
            DeadlinePassed: the deadline passed before the block, or a check within it.
        """
        if self.seconds_left <= 0:
            raise DeadlinePassed(self)
        self._work = work
        self.begin_step()
        token = _applied.set((*_applied.get(), self))
        try:
            yield
        finally:
            _applied.reset(token)
            self.next_step()

    def check(self) -> None:
        """Begin the next step; raise `DeadlinePassed` if the deadline has passed."""
        self.next_step()
        if self.seconds_left <= 0:
            raise DeadlinePassed(self)

    def begin_step(self) -> None:
        """Begin a step; the time since the last one does not count."""
        self._begun = time.monotonic()

    def next_step(self) -> None:
        """Record the current step and begin the next one."""
        self.longest_step = max(self.longest_step, TimedStep(time.monotonic() - self._begun, self._work))
        self.begin_step()


def check_deadlines() -> None:
    """Raise `DeadlinePassed` if a deadline of the current work has passed; call it between two steps of long work.

    It applies to the thread that enforces the deadline: a thread that the work starts has none.
    """
    for deadline in _applied.get():
        deadline.check()


@contextmanager
def waiting() -> Iterator[float | None]:
    """Yield the seconds until the first deadline as a timeout for a block that waits; None without a deadline.

    The block is no step, because its timeout interrupts it.
    """
    deadlines = _applied.get()
    for deadline in deadlines:
        deadline.next_step()
    left = min((deadline.seconds_left for deadline in deadlines), default=math.inf)
    try:
        yield None if left == math.inf else max(left, 0.0)
    finally:
        for deadline in deadlines:
            deadline.begin_step()

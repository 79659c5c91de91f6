"""Time of a call."""

from collections.abc import Iterator

import pytest

from gristmill.util import timing


def test_the_fastest_of_three_calls_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock: Iterator[float] = iter([0.0, 9.0, 10.0, 12.0, 20.0, 25.0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    calls: list[int] = []

    assert timing.fastest(lambda: calls.append(1)) == 2.0
    assert len(calls) == 3

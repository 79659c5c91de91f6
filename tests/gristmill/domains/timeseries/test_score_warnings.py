"""Warnings about scores of forecasts that may mislead."""

from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.score_warnings import score_warnings
from gristmill.runs.scores import MODEL
from helpers.small_runs import assembled

NOISE = np.random.default_rng(0).normal(size=200)


def warnings(data: Prepared, naive: float = 1.0, **model: float) -> list[str]:
    scored: dict[str, Any] = {MODEL: {"test": model}, "naive": {"test": {"mae": naive}}}
    return list(score_warnings(data, scored, level=0.8))


def test_coverage_is_judged_by_the_windows_that_do_not_overlap() -> None:
    data = assembled(NOISE, horizon=4, test=43)

    assert warnings(data, coverage=0.75) == warnings(data) == []
    assert warnings(data, coverage=0.25) == [
        "80% intervals cover 25.0% of the values in 40 test windows (10 independent); the intervals are too narrow"
    ]
    assert warnings(data, coverage=0.65) == [
        "80% intervals cover 65.0% of the values in 40 test windows (10 independent); this may be chance"
    ]


@pytest.mark.parametrize(("apart", "count", "end"), [(0, 1, "this may be chance"), (40, 2, "too narrow")])
def test_series_at_the_same_time_are_not_independent(apart: int, count: int, end: str) -> None:
    data = assembled(NOISE, NOISE, horizon=4, test=4, split="per_series", starts=[0, apart])

    (warning,) = warnings(data, coverage=0.2)

    assert warning.startswith(f"80% intervals cover 20.0% of the values in 2 test windows ({count} independent); ")
    assert warning.endswith(end)


def test_a_nearly_constant_test_set_makes_percentages_useless() -> None:
    data = assembled(np.concatenate([NOISE, 1e-3 * NOISE[:40]]), test=40)

    assert warnings(data, naive=1e-3) == [
        "the test set is nearly constant: the mean naive error is 0.001 in 40 test windows, and 1.07 in the training "
        "set; skill and other percentages say little"
    ]
    assert warnings(data, naive=0.2) == warnings(data, naive=0.0) == []  # a perfect naive forecast has no skill

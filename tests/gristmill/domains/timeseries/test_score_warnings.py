"""Warnings about scores of forecasts that may mislead."""

from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.scores.score_warnings import leak_warnings, score_warnings
from gristmill.scores import MODEL
from helpers.small_runs import assembled

NOISE = np.random.default_rng(0).normal(size=200)


def warnings(data: Prepared, naive: float = 1.0, **model: float) -> list[str]:
    scored: dict[str, Any] = {MODEL: {"test": model}, "naive": {"test": {"mae": naive}}}
    return list(score_warnings(data, scored, level=0.8))


def test_coverage_is_judged_by_the_windows_that_do_not_overlap() -> None:
    data = assembled(NOISE, horizon=4, test=43)

    assert warnings(data, coverage=0.75) == warnings(data) == []
    assert warnings(data, coverage=0.25) == [
        "80% prediction intervals cover 25.0% of the values in 40 test windows (10 do not overlap); the intervals are "
        "too narrow, so do not rely on them"
    ]
    assert warnings(data, coverage=0.65) == [
        "80% prediction intervals cover 65.0% of the values in 40 test windows (10 do not overlap); this may be chance"
    ]


@pytest.mark.parametrize(
    ("apart", "overlap", "end"), [(0, " (all overlap)", "this may be chance"), (40, "", "do not rely on them")]
)
def test_series_at_the_same_time_are_not_independent(apart: int, overlap: str, end: str) -> None:
    data = assembled(NOISE, NOISE, horizon=4, test=4, split="per_series", starts=[0, apart])

    (warning,) = warnings(data, coverage=0.2)

    assert warning.startswith(f"80% prediction intervals cover 20.0% of the values in 2 test windows{overlap}; ")
    assert warning.endswith(end)


def test_a_nearly_constant_test_set_makes_percentages_useless() -> None:
    data = assembled(np.concatenate([NOISE, 1e-3 * NOISE[:40]]), test=40)

    assert warnings(data, naive=1e-3) == [
        "the test set is nearly constant: the mean error of the naive forecast is 0.001 in 40 test windows and 1.07 on "
        "the training set. Skill and other percentages are not meaningful; compare absolute errors, or use a longer "
        "test set"
    ]
    assert warnings(data, naive=0.2) == []


def test_no_model_beats_the_naive_forecast_of_a_constant_test_set() -> None:
    data = assembled(np.concatenate([NOISE, np.ones(40)]), test=40)

    assert warnings(data, naive=0.0) == [
        "the test set is constant: the mean error of the naive forecast is 0 in 40 test windows and 1.07 on the "
        "training set. Skill and other percentages are not meaningful; compare absolute errors, or use a longer "
        "test set"
    ]


@pytest.mark.parametrize(
    ("skill", "baseline", "rises", "asks"),
    [
        (0.995, 0.9, {"y1": 1.0, "history of y": 0.1}, True),
        (0.9, 0.9, {"y1": 1.0, "history of y": 0.1}, False),  # not perfect
        (0.995, 0.02, {"y1": 1.0, "history of y": 0.1}, False),  # a smooth series, which a baseline forecasts as well
        (0.995, 0.9, {"history of y": 1.0, "y1": 0.9}, False),
        (0.995, 0.9, {"y1": 1.0, "history of y": 0.9}, False),
        (0.995, 0.9, {"harmonics": 1.0, "history of y": 0.1, "y1": 0.0}, False),  # is always known
    ],
)
def test_perfect_forecasts_by_a_covariate_raise_a_question(
    skill: float, baseline: float, rises: dict[str, float], asks: bool
) -> None:
    data = assembled(np.column_stack([NOISE, NOISE]), known=1, test=40)
    tested: dict[str, Any] = {MODEL: {"test": {"mae": 1 - skill, "skill": skill}}, "naive": {"test": {"mae": 1.0}}}
    features = [{"feature": name, "rise": rise} for name, rise in rises.items()]

    found = list(leak_warnings(data, tested | {"ets": {"test": {"mae": baseline}}}, {"features": features}))

    question = (
        "an MAE of 0.50% of the naive error on the test set is suspiciously low: check that column 'y1', on which the "
        "model relies most, is known when you forecast; if not, remove it from [ingest]"
    )
    assert found == [question] * asks

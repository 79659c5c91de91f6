"""What a table of a time-series pipeline refuses of itself."""

import pytest
from pydantic import ValidationError

from gristmill.domains.timeseries.models.naive import Drift, MovingAverage, Naive
from gristmill.domains.timeseries.settings import BASELINES, Evaluate, Train


@pytest.mark.parametrize("quantiles", [(0.9, 0.1), (0.1, 0.5, 0.5)])
def test_quantiles_ascend(quantiles: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match="ascending levels"):
        Train(quantiles=quantiles)


@pytest.mark.parametrize("quantiles", [(), (0.5,), (0.1, 0.9), (0.1, 0.2, 0.9), (0.1, 0.5, 0.95), (0.5, 0.9)])
def test_quantiles_are_the_median_and_an_interval_around_it(quantiles: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError, match=r"levels that contain 0\.5 and end at equal distances from it"):
        Train(quantiles=quantiles)

    assert Train(quantiles=(0.1, 0.25, 0.5, 0.9)).quantiles == (0.1, 0.25, 0.5, 0.9)


def test_baselines_are_named_by_kind_or_given_as_tables() -> None:
    given = {"baselines": ["drift", {"kind": "moving_average", "length": 9}, "naive"]}

    assert Evaluate.model_validate(given).baselines == (
        Drift(kind="drift"),
        MovingAverage(kind="moving_average", length=9),
        Naive(kind="naive"),
    )


@pytest.mark.parametrize("chosen", [(), (Drift(kind="drift"),)])
def test_the_naive_one_is_always_a_baseline_because_skill_is_against_it(chosen: tuple[Drift, ...]) -> None:
    assert Evaluate(baselines=chosen).baselines == (Naive(kind="naive"), *chosen)
    assert Evaluate().baselines == BASELINES

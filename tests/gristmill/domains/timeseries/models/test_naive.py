"""Naive forecasts by hand and by loops."""

from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.models.naive import Differencing, Drift, MovingAverage, Naive, SeasonalNaive
from gristmill.errors import Unsuitable
from gristmill.settings.base import MAX_COUNT
from helpers.small_runs import assembled

SERIES = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 3.0])


def forecast(settings: Any, values: Any, horizon: int) -> Any:
    """Return the forecast after the last value, by a network fitted on a longer series."""
    data = assembled(np.random.default_rng(0).normal(size=200), history=1, horizon=horizon, test=horizon, season=0)
    network = settings.fit(data)
    window = np.full(network.input_shape[1], np.nan)
    kept = values[-len(window) :]
    window[-len(kept) :] = kept
    return np.asarray(network(window.astype(np.float32).reshape(1, -1, 1)))[0, :, 0]


def test_naive_repeats_the_last_value() -> None:
    assert forecast(Naive(kind="naive"), SERIES, 3).tolist() == [3, 3, 3]


def test_drift_goes_on_along_the_line_from_the_first_value_to_the_last() -> None:
    assert forecast(Drift(kind="drift", length=4), SERIES, 2) == pytest.approx([3 - 5 / 3, 3 - 10 / 3])
    assert forecast(Drift(kind="drift"), SERIES, 2) == pytest.approx([3 + 2 / 6, 3 + 4 / 6])  # of what there is
    assert forecast(Drift(kind="drift"), SERIES[:1], 2).tolist() == [1, 1]


def test_moving_average_repeats_the_mean_of_the_last_values() -> None:
    assert forecast(MovingAverage(kind="moving_average"), SERIES, 2) == pytest.approx([5, 5])
    assert forecast(MovingAverage(kind="moving_average", length=5), SERIES, 1) == pytest.approx([5])


def test_seasonal_naive_repeats_the_last_season_however_long_the_horizon() -> None:
    settings = SeasonalNaive(kind="seasonal_naive", season=3)

    assert forecast(settings, SERIES, 5) == pytest.approx([5, 7, 3, 5, 7])
    assert forecast(settings, SERIES[:2], 5) == pytest.approx([4, 1, 4, 4, 1])  # a series that has no season yet


def test_the_season_of_the_layout_is_used_if_none_is_set() -> None:
    data = assembled(SERIES, history=1, horizon=2, test=2, season=2)

    assert SeasonalNaive(kind="seasonal_naive").fit(data).input_shape[1] == 2
    with pytest.raises(Unsuitable, match=r"^needs a season, and none was found in the training set"):
        SeasonalNaive(kind="seasonal_naive").fit(assembled(SERIES, season=0))


def test_a_series_that_is_too_short_is_refused_with_the_numbers() -> None:
    data = assembled(SERIES, SERIES[:4], history=1, horizon=2, test=2)

    with pytest.raises(Unsuitable, match=r"^needs 9 observations in the training set; the longest series has 5$"):
        MovingAverage(kind="moving_average", length=9).fit(data)
    for long in ({"season": MAX_COUNT}, {"season": 2, "length": MAX_COUNT}, {"season": 2, "smooth": MAX_COUNT}):
        with pytest.raises(Unsuitable, match=r"^needs \d{10} observations"):  # before it takes the memory for them
            Differencing(kind="differencing", **long).fit(data)


@pytest.mark.parametrize("smooth", [1, 2, 3, 10, 30])
@pytest.mark.parametrize("season", [1, 5, 12])
@pytest.mark.parametrize("length", [1, 30])
def test_differencing_equals_a_loop(season: int, smooth: int, length: int) -> None:
    values, horizon = np.random.default_rng(1).normal(size=80).cumsum(), 14
    origin = len(values)
    growth = np.mean([values[origin - back] - values[origin - back - season] for back in range(1, length + 1)])
    expected = []
    for step in range(horizon):
        seasons = 1
        while step - seasons * season >= 0:
            seasons += 1
        centre = origin + step - seasons * season
        around = [at for at in range(centre - smooth // 2, centre - smooth // 2 + smooth) if at < origin]
        expected.append(np.mean(values[around]) + seasons * growth)

    settings = Differencing(kind="differencing", season=season, length=length, smooth=smooth)

    assert forecast(settings, values, horizon) == pytest.approx(np.array(expected), abs=1e-5)

"""Baselines by hand, by loops, and without a look ahead."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.timeseries.baselines import (
    Forecast,
    Series,
    _least_squares,
    autoregression,
    baselines,
    moving_average,
    naive,
    seasonal_naive,
)
from gristmill.timeseries.scores import mae
from gristmill.timeseries.settings import Evaluate
from gristmill.timeseries.windows import Origins, target_index

SUNSPOTS = Path(__file__).parents[4] / "shared/data/sunspots.csv"

SERIES = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 3.0])
STARTS = np.array([4, 6])

FITTED = 40  # of a series of 60; origins from here on


def random_series(seed: int, length: int = 60) -> Series:
    return np.random.default_rng(seed).normal(size=length).cumsum()


def test_naive_repeats_the_last_value() -> None:
    assert naive(SERIES, STARTS, 3).tolist() == [[8, 8, 8], [7, 7, 7]]


def test_moving_average_repeats_the_mean_of_the_last_values() -> None:
    assert moving_average(SERIES, STARTS, 2, 2).tolist() == [[5, 5], [6, 6]]
    assert moving_average(SERIES, STARTS, 1, 4).tolist() == [[15 / 4], [22 / 4]]


def test_seasonal_naive_repeats_the_last_season_however_long_the_horizon() -> None:
    assert seasonal_naive(SERIES, STARTS, 2, 3).tolist() == [[4, 2], [8, 5]]
    assert seasonal_naive(SERIES, STARTS, 5, 2).tolist() == [[2, 8, 2, 8, 2], [5, 7, 5, 7, 5]]


def test_seasonal_naive_of_season_one_is_naive() -> None:
    assert np.array_equal(seasonal_naive(SERIES, STARTS, 3, 1), naive(SERIES, STARTS, 3))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("order", "horizon"), [(1, 1), (3, 4), (6, 2)])
def test_autoregression_equals_a_loop(seed: int, order: int, horizon: int) -> None:
    series, starts = random_series(seed), np.array([40, 47, 56])
    steps = [series[at] - series[at - 1] for at in range(1, FITTED)]
    rows = [[1.0, *steps[at - order : at]] for at in range(order, len(steps))]
    coefficients = np.linalg.lstsq(np.array(rows), np.array(steps[order:]))[0]
    expected = []
    for start in starts:
        known = list(series[:start])
        for _ in range(horizon):
            recent = [known[at] - known[at - 1] for at in range(len(known) - order, len(known))]
            known.append(known[-1] + coefficients[0] + sum(np.array(recent) * coefficients[1:]))
        expected.append(known[start:])

    assert autoregression(series, starts, horizon, FITTED, order) == pytest.approx(np.array(expected))


def test_autoregression_continues_a_process_without_noise() -> None:
    steps = [1.0, -2.0]
    for _ in range(58):
        steps.append(0.3 + 1.2 * steps[-1] - 0.9 * steps[-2])
    series = np.concatenate([[5.0], 5.0 + np.cumsum(steps)])
    starts = np.array([40, 50])

    made = autoregression(series, starts, 8, fitted=40, order=2)

    assert made == pytest.approx(series[target_index(starts, 8)])


def test_least_squares_recovers_the_coefficients_of_a_simulated_process() -> None:
    noise = np.random.default_rng(0).normal(size=20_000)
    steps = np.zeros_like(noise)
    for at in range(2, len(steps)):
        steps[at] = 0.5 + 0.6 * steps[at - 1] - 0.3 * steps[at - 2] + noise[at]

    coefficients, variance = _least_squares(steps[100:], order=2)

    assert coefficients == pytest.approx([0.5, -0.3, 0.6], abs=0.03)  # constant, oldest lag, newest lag
    assert variance == pytest.approx(1, abs=0.03)


def order_by_aic(known: Series) -> int:
    """Return the order with the lowest AIC by a loop, every order judged on the values that the largest one leaves."""
    limit = min(int(10 * np.log10(len(known))), len(known) // 3)
    criteria = {}
    for order in range(1, limit + 1):
        design = np.array([[1.0, *known[at - order : at]] for at in range(limit, len(known))])
        residuals = known[limit:] - design @ np.linalg.lstsq(design, known[limit:])[0]
        criteria[order] = len(residuals) * np.log(np.mean(residuals**2)) + 2 * order
    return min(criteria, key=lambda order: criteria[order])


def test_orders_are_judged_on_the_same_values() -> None:
    """An early outlier that only small orders have to forecast must not speak against them."""
    noise = np.random.default_rng(0).normal(size=200)
    noise[4] += 1000
    series, starts = np.concatenate([[0.0], noise.cumsum()]), np.array([180, 190])
    best = order_by_aic(np.diff(series[:180]))

    assert best < 5  # with the outlier among the values it is judged on, such an order is the worst
    made = autoregression(series, starts, 3, 180)
    assert np.array_equal(made, autoregression(series, starts, 3, 180, best))
    assert not np.allclose(made, autoregression(series, starts, 3, 180, best + 4))


@pytest.mark.parametrize("fitted", range(5, 13))
def test_a_short_past_has_an_order(fitted: int) -> None:
    series = random_series(2)

    assert np.isfinite(autoregression(series, np.array([fitted, 50]), 3, fitted)).all()


def test_the_order_with_the_lowest_aic_is_taken() -> None:
    noise = np.random.default_rng(4).normal(size=400)
    steps = np.zeros_like(noise)
    for at in range(3, len(steps)):
        steps[at] = 0.4 * steps[at - 1] - 0.5 * steps[at - 2] + 0.6 * steps[at - 3] + noise[at]
    series, fitted = np.concatenate([[0.0], steps.cumsum()]), 350
    best = order_by_aic(np.diff(series[:fitted]))
    starts = np.array([350, 380])

    assert best >= 3
    made = autoregression(series, starts, 5, fitted)
    assert np.array_equal(made, autoregression(series, starts, 5, fitted, best))
    assert not np.allclose(made, autoregression(series, starts, 5, fitted, best - 1))


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), origin=st.integers(FITTED, 59), horizon=st.integers(1, 8), noise=st.integers(0, 99))
def test_no_forecast_changes_when_the_future_does(seed: int, origin: int, horizon: int, noise: int) -> None:
    series, starts = random_series(seed), np.array([origin])
    changed = series.copy()
    changed[origin:] += np.random.default_rng(noise).normal(100, 50, size=len(series) - origin)
    chosen = Evaluate(moving_average=5, season=24, ar_order=4)

    for name, forecast in baselines(chosen, FITTED).items():
        assert np.array_equal(forecast(series, starts, horizon), forecast(changed, starts, horizon)), name


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10_000), order=st.sampled_from([None, 1, 5]), noise=st.integers(0, 99))
def test_autoregression_fits_on_nothing_from_fitted_on(seed: int, order: int | None, noise: int) -> None:
    """Two series that differ from `fitted` on, but not in what an origin at its end sees, have equal forecasts."""
    series = random_series(seed)
    changed = series.copy()
    changed[FITTED : FITTED + 2] += np.random.default_rng(noise).normal(100, 50, size=2)
    starts = np.array([60])  # the lags of orders up to 15 reach back to position 44

    assert np.array_equal(
        autoregression(series, starts, 3, FITTED, order), autoregression(changed, starts, 3, FITTED, order)
    )
    assert not np.array_equal(
        autoregression(series, starts, 3, FITTED + 10, order), autoregression(changed, starts, 3, FITTED + 10, order)
    )


def test_baselines_are_those_of_the_settings() -> None:
    assert list(baselines(Evaluate(), 100)) == ["naive", "moving average 3", "autoregression"]
    chosen = baselines(Evaluate(moving_average=6, season=12), 100)
    assert list(chosen) == ["naive", "moving average 6", "seasonal naive 12", "autoregression"]

    series, starts = random_series(1), np.array([50])
    assert np.array_equal(chosen["moving average 6"](series, starts, 2), moving_average(series, starts, 2, 6))
    assert np.array_equal(chosen["seasonal naive 12"](series, starts, 2), seasonal_naive(series, starts, 2, 12))


def test_a_season_longer_than_the_known_past_is_left_out() -> None:
    assert "seasonal naive 12" in baselines(Evaluate(season=12), 12)
    assert "seasonal naive 12" not in baselines(Evaluate(season=12), 11)


def test_a_moving_average_longer_than_the_known_past_is_left_out() -> None:
    assert "moving average 12" in baselines(Evaluate(moving_average=12), 12)
    assert list(baselines(Evaluate(moving_average=12), 11)) == ["naive", "autoregression"]


@pytest.mark.parametrize(("order", "least"), [(None, 5), (1, 5), (4, 11), (10, 23)])
def test_an_autoregression_with_more_coefficients_than_the_known_past_can_tell_is_left_out(
    order: int | None, least: int
) -> None:
    """A constant and `order` lags need more rows than that; differences and lags cost 1 + `order` of the values."""
    assert "autoregression" in baselines(Evaluate(ar_order=order), least)
    assert "autoregression" not in baselines(Evaluate(ar_order=order), least - 1)
    assert least - 1 - (order or 1) > (order or 1) + 1 > least - 2 - (order or 1) - 1


def test_of_a_single_known_value_naive_is_left() -> None:
    assert list(baselines(Evaluate(moving_average=2, season=2, ar_order=1), 1)) == ["naive"]


@pytest.mark.parametrize("fitted", range(1, 30))
def test_every_baseline_that_is_left_can_forecast_from_the_end_of_the_known_past(fitted: int) -> None:
    series = random_series(3)

    for order in (None, 1, 5):
        for name, forecast in baselines(Evaluate(moving_average=7, season=9, ar_order=order), fitted).items():
            made = forecast(series, np.array([fitted, fitted + 1]), 4)
            assert made.shape == (2, 4), name
            assert np.isfinite(made).all(), name


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("figure", "forecast"),
    [
        ("16.136", lambda series, starts: naive(series, starts, 1)),
        ("15.910", lambda series, starts: moving_average(series, starts, 1, 3)),
        ("14.54", lambda series, starts: autoregression(series, starts, 1, 3000, 10)),
        ("14.46", lambda series, starts: autoregression(series, starts, 1, 3000, 11)),
    ],
)
def test_figures_of_the_course_come_out(figure: str, forecast: Callable[[Series, Origins], Forecast]) -> None:
    """Monthly sunspots: 3,000 months known, 235 forecast one step ahead.

    The 14.54 of course.md is that of 10 lags of differences, which is an AR(11) of the values; 11 lags do better.
    """
    series = pd.read_csv(SUNSPOTS)["Monthly Mean Total Sunspot Number"].to_numpy(np.float64)
    starts = np.arange(3000, len(series))
    digits = len(figure.partition(".")[2])

    assert f"{mae(series[starts, np.newaxis], forecast(series, starts)):.{digits}f}" == figure

"""Baselines by hand, by loops, and without a look ahead."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.timeseries import baselines as module
from gristmill.domains.timeseries.baselines import (
    Forecast,
    Series,
    _fit_smoothing,
    _least_squares,
    autoregression,
    baselines,
    differencing,
    drift,
    exponential_smoothing,
    moving_average,
    naive,
    seasonal_naive,
)
from gristmill.domains.timeseries.metrics import mae, mse
from gristmill.domains.timeseries.settings import Evaluate
from gristmill.domains.timeseries.windows import Origins, target_index
from helpers.course_series import main_series

SUNSPOTS = Path(__file__).parents[5] / "shared/data/sunspots.csv"

SERIES = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 3.0])
STARTS = np.array([4, 6])

FITTED = 40  # of a series of 60; origins from here on


def random_series(seed: int, length: int = 60) -> Series:
    return np.random.default_rng(seed).normal(size=length).cumsum()


def test_naive_repeats_the_last_value() -> None:
    assert naive(SERIES, STARTS, 3).tolist() == [[8, 8, 8], [7, 7, 7]]


def test_drift_goes_on_along_the_line_from_the_first_value_to_the_last() -> None:
    assert drift(SERIES, STARTS, 3) == pytest.approx(
        np.array([[8 + 7 / 3, 8 + 14 / 3, 15], [7 + 6 / 5, 7 + 12 / 5, 7 + 18 / 5]])
    )


def test_moving_average_repeats_the_mean_of_the_last_values() -> None:
    assert moving_average(SERIES, STARTS, 2, 2).tolist() == [[5, 5], [6, 6]]
    assert moving_average(SERIES, STARTS, 1, 4).tolist() == [[15 / 4], [22 / 4]]


def test_seasonal_naive_repeats_the_last_season_however_long_the_horizon() -> None:
    assert seasonal_naive(SERIES, STARTS, 2, 3).tolist() == [[4, 2], [8, 5]]
    assert seasonal_naive(SERIES, STARTS, 5, 2).tolist() == [[2, 8, 2, 8, 2], [5, 7, 5, 7, 5]]


def test_seasonal_naive_of_season_one_is_naive() -> None:
    assert np.array_equal(seasonal_naive(SERIES, STARTS, 3, 1), naive(SERIES, STARTS, 3))


@pytest.mark.parametrize("seed", range(3))
def test_exponential_smoothing_repeats_the_level_that_a_loop_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    series = rng.normal(0, 0.5, 80).cumsum() + rng.normal(size=80)
    share, level = _fit_smoothing(series[:FITTED])
    levels = []
    for value in series:
        level = share * value + (1 - share) * level
        levels.append(level)

    made = exponential_smoothing(series, np.array([FITTED, 55, 80]), 3, FITTED)

    assert 0 <= share <= 1
    assert made == pytest.approx(np.repeat(np.array([levels[39], levels[54], levels[79]])[:, np.newaxis], 3, axis=1))


def squared_error(share: float, level: float, known: Series) -> float:
    total = 0.0
    for value in known:
        total += (value - level) ** 2
        level = share * value + (1 - share) * level
    return total


def test_no_other_factor_or_first_level_smooths_better() -> None:
    rng = np.random.default_rng(0)
    known = rng.normal(0, 0.5, 400).cumsum() + rng.normal(size=400)
    share, level = _fit_smoothing(known)
    best = squared_error(share, level, known)

    for other in (share - 0.02, share + 0.02):
        assert squared_error(other, level, known) > best
    for other in (level - 0.5, level + 0.5):
        assert squared_error(share, other, known) > best


def test_a_random_walk_is_smoothed_to_its_last_value_and_noise_to_its_mean() -> None:
    noise = np.random.default_rng(0).normal(size=500)
    starts = np.array([500])

    assert exponential_smoothing(noise.cumsum(), starts, 1, 500) == pytest.approx(noise.sum(), abs=0.1)
    assert exponential_smoothing(noise, starts, 1, 500) == pytest.approx(noise.mean(), abs=0.2)


@pytest.mark.parametrize("known", [[2.0, 2.0, 2.0], [0.0, 0.0], [1.0, 5.0]])
@pytest.mark.filterwarnings("error")
def test_few_or_equal_values_can_be_smoothed(known: list[float]) -> None:
    made = exponential_smoothing(np.array(known), np.array([len(known)]), 2, len(known))

    assert min(known) <= made[0, 0] == made[0, 1] <= max(known)


def test_of_a_long_past_the_last_part_is_smoothed() -> None:
    series = np.concatenate([np.full(50, 1e9), np.random.default_rng(0).normal(size=module.SMOOTHED + 100)])
    fitted, starts = module.SMOOTHED + 100, np.array([module.SMOOTHED + 100, module.SMOOTHED + 150])

    cut = exponential_smoothing(series[100:], starts - 100, 1, fitted - 100)
    assert exponential_smoothing(series, starts, 1, fitted) == pytest.approx(cut)


def test_differencing_adds_the_mean_difference_to_the_value_of_a_season_ago() -> None:
    series = np.array([1.0, 2.0, 3.0, 11.0, 13.0, 15.0, 0.0])  # differences of 3: 10, 11, 12
    starts = np.array([6])

    assert differencing(series, starts, 3, 3, 2) == pytest.approx(np.array([[11 + 11.5, 13 + 11.5, 15 + 11.5]]))
    assert differencing(series, starts, 2, 3, 1) == pytest.approx(np.array([[11 + 12, 13 + 12]]))
    assert differencing(series, starts, 5, 3, 1)[0, 3:] == pytest.approx(np.array([11 + 24, 13 + 24]))


def test_the_past_is_smoothed_by_a_centred_mean_that_ends_before_the_origin() -> None:
    series, starts = np.arange(10.0) ** 2, np.array([8])
    growth = 49 - 9
    one, two, three, four = differencing(series, starts, 4, season=4, length=1, smooth=3)[0]

    assert one == pytest.approx((9 + 16 + 25) / 3 + growth)
    assert two == pytest.approx((16 + 25 + 36) / 3 + growth)
    assert three == pytest.approx((25 + 36 + 49) / 3 + growth)
    assert four == pytest.approx((36 + 49) / 2 + growth)  # the third value would be the one at the origin


@pytest.mark.parametrize("smooth", [1, 2, 3, 10, 30])
@pytest.mark.parametrize("season", [1, 5, 12])
def test_differencing_equals_a_loop(season: int, smooth: int) -> None:
    series, starts, length = random_series(4), np.array([31, 45, 60]), 6
    expected = []
    for start in starts:
        differences = [series[at] - series[at - season] for at in range(start - length, start)]
        row = []
        for step in range(15):
            seasons, place = 1, start + step - season
            while place >= start:
                seasons, place = seasons + 1, place - season
            window = range(place - smooth // 2, place - smooth // 2 + smooth)
            past = [series[at] for at in window if at < start]
            row.append(sum(past) / len(past) + seasons * sum(differences) / length)
        expected.append(row)

    assert differencing(series, starts, 15, season, length, smooth) == pytest.approx(np.array(expected))


def test_one_step_ahead_the_course_smooths_from_370_to_361_days_ago() -> None:
    series, start = main_series(), 1000
    differences = series[365:start] - series[: start - 365]
    expected = series[start - 370 : start - 360].mean() + differences[-50:].mean()

    assert differencing(series, np.array([start]), 1, 365, 50, 10) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "squared", "absolute"),
    [
        ("naive", "61.828", "5.938"),
        ("moving average 30", "106.675", "7.142"),
        ("differencing 365 + average 50", "52.974", "5.839"),
        ("differencing 365 + average 50 + smooth 10", "33.452", "4.569"),
    ],
)
def test_figures_of_the_course_series_come_out(name: str, squared: str, absolute: str) -> None:
    series, starts = main_series(), np.arange(1000, 1461)
    chosen = baselines(Evaluate(moving_average=30, difference_average=50, smooth=10, season=365), 1000)
    made = chosen[name](series, starts, 1)

    assert f"{mse(series[starts, np.newaxis], made):.3f}" == squared
    assert f"{mae(series[starts, np.newaxis], made):.3f}" == absolute


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

    coefficients = _least_squares(steps[100:], order=2)

    assert coefficients == pytest.approx([0.5, -0.3, 0.6], abs=0.03)  # constant, oldest lag, newest lag


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


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), origin=st.integers(FITTED, 59), horizon=st.integers(1, 8), noise=st.integers(0, 99))
def test_no_forecast_changes_when_the_future_does(seed: int, origin: int, horizon: int, noise: int) -> None:
    series, starts = random_series(seed), np.array([origin])
    changed = series.copy()
    changed[origin:] += np.random.default_rng(noise).normal(100, 50, size=len(series) - origin)
    chosen = baselines(Evaluate(moving_average=5, ar_order=4, difference_average=6, smooth=9, season=24), FITTED)

    assert len(chosen) == 8
    for name, forecast in chosen.items():
        assert np.array_equal(forecast(series, starts, horizon), forecast(changed, starts, horizon)), name


@settings(max_examples=50)
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
    always = ["naive", "drift", "moving average 3", "exponential smoothing"]
    assert list(baselines(Evaluate(), 100)) == [*always, "autoregression"]
    assert list(baselines(Evaluate(season=12), 100)) == [*always, "seasonal naive 12", "autoregression"]
    assert list(baselines(Evaluate(difference_average=5, smooth=4), 100)) == [*always, "autoregression"]
    assert list(baselines(Evaluate(smooth=4, season=12), 100)) == [*always, "seasonal naive 12", "autoregression"]
    assert list(baselines(Evaluate(moving_average=6, difference_average=5, smooth=4, season=12), 100)) == [
        "naive",
        "drift",
        "moving average 6",
        "exponential smoothing",
        "seasonal naive 12",
        "differencing 12 + average 5",
        "differencing 12 + average 5 + smooth 4",
        "autoregression",
    ]


def test_baselines_are_the_functions_of_their_names() -> None:
    series, starts = random_series(1), np.array([50])
    chosen = baselines(Evaluate(moving_average=6, difference_average=5, smooth=4, ar_order=2, season=12), 50)
    expected = {
        "naive": naive(series, starts, 2),
        "drift": drift(series, starts, 2),
        "moving average 6": moving_average(series, starts, 2, 6),
        "exponential smoothing": exponential_smoothing(series, starts, 2, 50),
        "seasonal naive 12": seasonal_naive(series, starts, 2, 12),
        "differencing 12 + average 5": differencing(series, starts, 2, 12, 5),
        "differencing 12 + average 5 + smooth 4": differencing(series, starts, 2, 12, 5, 4),
        "autoregression": autoregression(series, starts, 2, 50, 2),
    }

    assert list(chosen) == list(expected)
    for name, forecast in chosen.items():
        assert np.array_equal(forecast(series, starts, 2), expected[name]), name


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("drift", 2),
        ("exponential smoothing", 2),
        ("moving average 7", 7),
        ("seasonal naive 12", 12),
        ("differencing 12 + average 5", 17),
        ("differencing 12 + average 5 + smooth 14", 19),
    ],
)
def test_what_needs_more_than_the_known_past_is_left_out(name: str, least: int) -> None:
    chosen = Evaluate(moving_average=7, difference_average=5, smooth=14, season=12)

    assert name in baselines(chosen, least)
    assert name not in baselines(chosen, least - 1)


@pytest.mark.parametrize(("order", "least"), [(None, 5), (1, 5), (4, 11), (10, 23)])
def test_an_autoregression_with_more_coefficients_than_the_known_past_can_tell_is_left_out(
    order: int | None, least: int
) -> None:
    """A constant and `order` lags need more rows than that; differences and lags cost 1 + `order` of the values."""
    assert "autoregression" in baselines(Evaluate(ar_order=order), least)
    assert "autoregression" not in baselines(Evaluate(ar_order=order), least - 1)
    assert least - 1 - (order or 1) > (order or 1) + 1 > least - 2 - (order or 1) - 1


def test_of_a_single_known_value_naive_is_left() -> None:
    assert list(baselines(Evaluate(moving_average=2, difference_average=1, smooth=1, ar_order=1, season=2), 1)) == [
        "naive"
    ]


@pytest.mark.parametrize("fitted", [1, 2, 3, 5, 8, 13, 29])
def test_every_baseline_that_is_left_can_forecast_from_the_end_of_the_known_past(fitted: int) -> None:
    series = random_series(3)

    for order in (None, 1, 5):
        chosen = Evaluate(moving_average=7, difference_average=3, smooth=8, ar_order=order, season=9)
        for name, forecast in baselines(chosen, fitted).items():
            made = forecast(series, np.array([fitted, fitted + 1]), 4)
            assert made.shape == (2, 4), name
            assert np.isfinite(made).all(), name


def test_a_long_past_is_cut_for_the_autoregression(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REGRESSED", 1_000)
    count, fitted = 3 * module.REGRESSED, 3 * module.REGRESSED - 100
    series, starts = np.random.default_rng(0).normal(size=count).cumsum(), np.arange(fitted, count)

    cut = autoregression(series[-module.REGRESSED - 100 :], starts - fitted + module.REGRESSED, 5, module.REGRESSED)

    assert np.array_equal(autoregression(series, starts, 5, fitted), cut)


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

"""Exponential smoothing and the theta method by recursions in loops."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gristmill.domains.timeseries.fits import smoothing
from gristmill.domains.timeseries.fits.smoothing import (
    DAMPING,
    LEVEL_WEIGHTS,
    SEASON_WEIGHTS,
    THETAS,
    TREND_WEIGHTS,
    operators,
    season_operator,
)
from gristmill.domains.timeseries.models.classical import Ets, Theta
from gristmill.errors import Unsuitable
from helpers.small_runs import assembled

HORIZON, SEASON = 5, 4

Smooth = Callable[[Any, int], tuple[Any, Any]]  # values and horizon to errors and forecasts


def recursion(values: Any, start: Any, horizon: int, level: float, trend: float, damping: float, gamma: float) -> Any:
    """Return errors and forecasts of a model from its first state: level, slope, and the season, oldest last."""
    now, slope, season = float(start[0]), float(start[1]), [float(part) for part in start[2:]]
    errors = []
    for value in values:
        error = value - (now + damping * slope + season[-1])
        errors.append(error)
        now, slope = now + damping * slope + level * error, damping * slope + trend * error
        season = [season[-1] + gamma * error, *season[:-1]]
    forecasts = []
    for _ in range(horizon):
        forecasts.append(now + damping * slope + season[-1])
        now, slope, season = now + damping * slope, damping * slope, [season[-1], *season[:-1]]
    return np.array(errors), np.array(forecasts)


def best(values: Any, horizon: int, free: list[int], season: int, *constants: float) -> Any:
    """Return errors and forecasts from the first state with the least squared error; states that are not free are 0."""
    zero = np.zeros(2 + season)
    plain = recursion(values, zero, horizon, *constants)[0]
    columns = [recursion(0 * values, np.eye(2 + season)[state], horizon, *constants)[0] for state in free]
    start = zero.copy()
    start[free] = np.linalg.lstsq(-np.array(columns).T, plain, rcond=1e-8)[0]
    return recursion(values, start, horizon, *constants)


@pytest.mark.parametrize(("trend", "damping"), [(None, 1.0), (0.0, 1.0), (0.04, 1.0), (0.04, 0.8)])
@pytest.mark.parametrize("season", [1, 4])
def test_operators_are_the_recursion_from_its_best_first_state(
    trend: float | None, damping: float, season: int
) -> None:
    values = np.random.default_rng(0).normal(50, 9, size=24).cumsum()
    gamma = 0.1 if season > 1 else 0.0
    free = [0, *([1] if trend is not None else []), *(range(2, 2 + season) if season > 1 else [])]

    errors, ahead, parameters = operators(24, HORIZON, 0.4, trend, damping, gamma, season)

    expected = best(values, HORIZON, free, season, 0.4, trend or 0.0, damping, gamma)
    assert errors @ values == pytest.approx(expected[0], abs=1e-6)
    assert ahead @ values == pytest.approx(expected[1], abs=1e-6)
    # level and its constant; slope and its constant; damping; the season, one less than free, and its constant
    assert parameters == 2 + 2 * (trend is not None) + (damping < 1) + (season if season > 1 else 0)


def models_of_ets(season: int) -> list[tuple[Smooth, int, bool]]:
    """Return the models of the grid, the number of their parameters, and whether they are used on logs."""
    made: list[tuple[Smooth, int, bool]] = []
    for length in {1, season}:
        states = list(range(2, 2 + length)) if length > 1 else []
        for level in LEVEL_WEIGHTS:
            for share in SEASON_WEIGHTS if length > 1 else (0.0,):
                gamma = share * (1 - level)
                more = length if length > 1 else 0

                def flat(values: Any, horizon: int, level: Any = level, gamma: Any = gamma, length: Any = length,
                         free: Any = (0, *states)) -> Any:  # fmt: skip
                    return best(values, horizon, list(free), length, level, 0.0, 1.0, gamma)

                made.append((flat, 2 + more, True))
                for trend in TREND_WEIGHTS:
                    for damping in DAMPING:

                        def rising(values: Any, horizon: int, level: Any = level, gamma: Any = gamma,
                                   length: Any = length, trend: Any = trend, damping: Any = damping,
                                   free: Any = (0, 1, *states)) -> Any:  # fmt: skip
                            return best(values, horizon, list(free), length, level, trend * level, damping, gamma)

                        made.append((rising, 4 + (damping < 1) + more, damping < 1))
    return made


def without_season(values: Any, season: int, horizon: int) -> tuple[Any, Any]:
    """Return values without their season by classical decomposition, and the season of the steps ahead."""
    half, rest = season // 2, {}
    for at in range(half, len(values) - half):
        if season % 2:
            mean = np.mean(values[at - half : at + half + 1])
        else:
            mean = (values[at - half] / 2 + sum(values[at - half + 1 : at + half]) + values[at + half] / 2) / season
        rest[at] = values[at] - mean
    figure = [np.mean([rest[at] for at in rest if at % season == place]) for place in range(season)]
    figure = list(figure - np.mean(figure))
    adjusted = [value - figure[at % season] for at, value in enumerate(values)]
    return np.array(adjusted), np.array([figure[(len(values) + step) % season] for step in range(horizon)])


def models_of_theta(season: int) -> list[tuple[Smooth, int, bool]]:
    """Return the models of the theta method."""
    made: list[tuple[Smooth, int, bool]] = []
    for length in {1, season}:
        for level in LEVEL_WEIGHTS:
            for theta in THETAS:

                def smooth(
                    values: Any, horizon: int, level: Any = level, theta: Any = theta, length: Any = length
                ) -> Any:
                    ahead: Any = 0.0
                    if length > 1:
                        values, ahead = without_season(values, length, horizon)
                    time = np.arange(len(values) + horizon)
                    line = np.polyval(np.polyfit(time[: len(values)], values, 1), time)
                    bent = theta * values + (1 - theta) * line[: len(values)]
                    errors, forecasts = best(bent, horizon, [0], 1, level, 0.0, 1.0, 0.0)
                    return errors / theta, forecasts / theta + (1 - 1 / theta) * line[len(values) :] + ahead

                made.append((smooth, 2 + (theta > 1) + (length if length > 1 else 0), True))
    return made


def averaged(window: Any, horizon: int, season: int, models: list[tuple[Smooth, int, bool]]) -> Any:
    """Return the average of the models, weighed by their likelihood, of a window that may begin with NaN."""
    observed = window[~np.isnan(window)]
    count, missing = len(observed), int(np.isnan(window).sum())
    forecasts, fits = [], []
    for logs in (False, True):
        if logs and (observed <= 0).any():
            continue
        values = np.log(observed) if logs else observed
        slope = np.polyfit(np.arange(count), values, 1)[0] if count > 1 else 0.0
        whole = list(values)
        for step in range(1, missing + 1):
            source = -step % min(season, count)
            whole.insert(0, values[source] - slope * (source + step))
        for smooth, parameters, on_logs in models:
            if logs and not on_logs:
                continue
            errors, ahead = smooth(np.array(whole), horizon)
            variance = np.mean(errors[missing:] ** 2)
            fits.append(-count / 2 * math.log(variance) - parameters - (values.sum() if logs else 0))
            forecasts.append(np.exp(ahead) if logs else ahead)
    weights = np.exp(np.array(fits) - max(fits))
    return weights @ np.array(forecasts) / weights.sum()


KINDS = {"ets": (Ets(kind="ets"), models_of_ets), "theta": (Theta(kind="theta"), models_of_theta)}


@pytest.mark.parametrize(
    ("low", "observed", "season"),
    [(30, 40, SEASON), (5000, 36, 1), (-10, 36, SEASON), (30, 20, 1), (5000, 20, SEASON), (30, 7, SEASON), (-10, 7, 1)],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_forecast_is_the_average_of_all_models(kind: str, low: int, observed: int, season: int) -> None:
    settings, models = KINDS[kind]
    time, rng = np.arange(60), np.random.default_rng(3)
    series = low + 0.3 * time + 5 * np.cos(np.pi / 2 * time) + rng.normal(size=60).cumsum()
    network = settings.fit(assembled(series, history=1, horizon=HORIZON, test=HORIZON, season=season))
    history = network.input_shape[1]
    window = np.full(history, np.nan, np.float32)
    kept = series[-min(observed, history) :]
    window[-len(kept) :] = kept

    forecast = np.asarray(network(window.reshape(1, -1, 1)))[0, :, 0]

    expected = averaged(window.astype(np.float64), HORIZON, season, models(season))
    assert forecast == pytest.approx(expected, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("season", [6, 7])
@pytest.mark.parametrize("waves", [False, True])
def test_a_season_on_a_line_is_found_exactly(season: int, waves: bool) -> None:
    time = np.arange(3 * season + 9)
    wave = np.cos(2 * np.pi / season * (time + 2))
    history = 3 * season

    found = season_operator(history, 9, season, waves) @ (wave + 4 + 0.5 * time)[:history]

    assert found == pytest.approx(wave, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_season_is_taken_out_by_waves(kind: str) -> None:
    season = 100
    time = np.arange(450)
    series = 20 + 5 * np.cos(2 * np.pi / season * time) + 0.01 * time + np.random.default_rng(0).normal(0, 0.1, 450)
    network = KINDS[kind][0].fit(assembled(series, history=1, horizon=50, test=50, season=season))
    assert network.input_shape[1] == 3 * season

    forecast = np.asarray(network(series[100:400].astype(np.float32).reshape(1, -1, 1)))[0, :, 0]

    assert np.abs(forecast - series[400:]).mean() < 0.7  # the wave has a deviation of 3.5
    assert network.count_params() < 400_000


def test_exact_seasons_and_lines_are_continued() -> None:
    time = np.arange(60)
    series = 100 + 2 * time + np.array([5, -3, 1, -3])[time % 4]
    network = Ets(kind="ets").fit(assembled(series, history=1, horizon=8, test=8, season=4))

    window = series[52 - network.input_shape[1] : 52].astype(np.float32).reshape(1, -1, 1)

    assert np.asarray(network(window))[0, :, 0] == pytest.approx(series[52:], abs=0.5)


def test_a_season_needs_two_of_them_and_a_forecast_two_values() -> None:
    short = assembled(np.arange(10) % 4, history=1, horizon=3, test=3, season=4)  # 7 observations to fit on
    network = Ets(kind="ets").fit(short)

    assert network.input_shape[1] == 7
    assert network.count_params() == len(smoothing.ets_members(7, 3).errors) * 7 * (7 + 3)
    assert smoothing.window_size(assembled(np.arange(500), history=1), 12) == (84, 84)
    with pytest.raises(Unsuitable, match=r"^needs 2 observations in the training set; the series has 1$"):
        Ets(kind="ets").fit(assembled(np.arange(3), history=1, test=2))

"""Exponential smoothing and the theta method: all models of a grid at once, averaged by how well they predict a window.

For given smoothing constants every additive model is linear in the window, the initial state included: the one with the
least squared error is a linear map as well. So the recursion is run on the identity, once for each point of the grid.

Every model is tried on the values and, where all are positive, on their logs. Each weighs SSE^(-n/2), its likelihood,
less a penalty for each of its parameters (Akaike's), so that no test chooses a season or a trend.

Sources: Hyndman & Khandakar, "Automatic time series forecasting: the forecast package for R", Journal of Statistical
Software 27(3), 2008 (exponential smoothing); Assimakopoulos & Nikolopoulos, "The theta model", International Journal of
Forecasting 16(4), 2000; Fiorucci et al., "Models for optimising the theta method and their relationship to state space
models", ibid. 32(4), 2016; Kolassa, "Combining exponential smoothing forecasts using Akaike weights", ibid. 27(2),
2011. The grids were chosen on the last blocks of the training sets of the M1, M3 and tourism competitions.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.fits.window_graph import check_past, fill_source, longest_past, product
from gristmill.training.deadline import check_deadlines

Matrix = npt.NDArray[np.float64]

MIN_HISTORY = 36  # observations of a window, if the series have as many
SEASONS = 7  # seasons in a window, up to MAX_HISTORY observations
MIN_SEASONS = 3  # seasons in every window, even above MAX_HISTORY
MAX_HISTORY = 168  # observations
MAX_SEASON = 24  # a longer season has harmonics instead of a state for each position

_FLOOR = 1e-9  # added to squared errors in squared scales of the window: a perfect fit has no finite logarithm
_NEVER = 1e9  # penalty of a model that is not used
_MAX_GROWTH = 10.0  # natural log of the largest factor between the last value and a forecast on logs

LEVEL_WEIGHTS = (0.05, 0.2, 0.4, 0.7, 0.95)  # weight of the newest value in the level
TREND_WEIGHTS = (0.0, 0.1)  # weight of the newest slope in the trend, as a share of the weight in the level
DAMPING = (1.0, 0.95, 0.8)  # factor of the trend from step to step; 1 is not used on logs, where growth explodes
SEASON_WEIGHTS = (0.02, 0.2)  # weight of the newest value in the season, as a share of what the level leaves
THETAS = (1.0, 2.0, 4.0)  # factor of the curvature in the values that are smoothed; 1 keeps the values
CACHED = 4  # grids that are kept: the parts and blocks of a run ask for the same few, and one has up to 16 MB
WAVES = 3  # sine and cosine pairs of a season that is too long for a state of its own


@dataclass(frozen=True)
class Members:
    """Models of a grid as operators on windows of `steps` values."""

    errors: Matrix  # (members, steps, steps): one step ahead, from values
    ahead: Matrix  # (members, horizon, steps): forecasts, from values
    parameters: Matrix  # (members,), the number of fitted numbers
    on_logs: npt.NDArray[np.bool_]  # (members,), whether the model is used on logs
    season: Matrix | None = None  # (steps + horizon, history): season that is taken out before and added after


def smoothing_forecaster(data: Prepared, season: int, members: Callable[..., Members], has_season: bool) -> keras.Model:
    """Return the network, (batch, history, columns) to (batch, horizon, targets), that averages models.

    These are members without season and, if the window has two seasons, either members that have a season themselves
    or the first ones on values without season. Inside, the second half of the last axis has the logs of the targets:
    (…, 2 targets).
    """
    horizon, (history, steps) = data.layout.horizon, window_size(data, season)
    models = [members(steps, horizon)]
    if 1 < season <= history // 2:
        if has_season:
            models.append(members(steps, horizon, season))
        else:  # the season is fitted on the whole window: the steps that are compared pay for their share of it alone
            waves = season > MAX_SEASON
            operator = season_operator(history, horizon, season, waves)[history - steps :]
            share = (2 * WAVES if waves else season) * steps / history
            models.append(replace(models[0], season=operator, parameters=models[0].parameters + share))

    # Repeat the first values of a short series backwards, and divide values by the last one before taking logs.
    window = keras.Input((history, len(data.layout.columns)), name="history")
    values = window[:, :, : len(data.layout.targets)]
    observed = ops.logical_not(ops.isnan(values))
    source, places, count = fill_source(observed, season)
    values = ops.take_along_axis(values, source, axis=1)  # first, because in ONNX a `where` does not remove NaN
    last, positive = values[:, -1:], ops.min(values, axis=1, keepdims=True) > 0
    base = ops.where(positive, last, 1.0)
    growth = ops.log(ops.where(positive, values / base, 1.0))

    # Continue the trend backwards, and scale both.
    known, moved = ops.cast(observed, "float32"), ops.cast(places - source, "float32")
    both = [_along_line(series, known, moved, places, count) for series in (values - last, growth)]
    lines = ops.concatenate(both, axis=-1)
    scale = ops.sqrt(ops.mean(ops.square(lines), axis=1, keepdims=True))
    scale = ops.where(scale > 0, scale, 1.0)

    # Weigh the models by their errors, and average their forecasts in the units of the values.
    counted = ops.concatenate([known, known], axis=-1)[:, -models[0].errors.shape[1] :]
    squares, ahead = _all_models(lines / scale, counted, models)
    unit = scale / ops.concatenate([base, ops.ones_like(base)], -1)
    weights = _weights(squares, counted, models, unit, growth, positive)
    plain, logs = ops.split(ahead * scale[:, None], 2, axis=-1)  # (batch, members, horizon, targets)
    grown = base[:, None] * (ops.exp(ops.clip(logs, -_MAX_GROWTH, _MAX_GROWTH)) - 1)
    forecast = ops.sum(weights[:, :, None] * ops.concatenate([plain, grown], axis=1), axis=1)
    return keras.Model(window, last + forecast, name="forecaster")


def window_size(data: Prepared, season: int) -> tuple[int, int]:
    """Return the observations of a window, and the last ones on which models are compared."""
    check_past(data, 2)
    wanted = max(MIN_HISTORY, min(SEASONS * season, MAX_HISTORY), MIN_SEASONS * season)
    history = min(wanted, longest_past(data))
    return history, history if season <= MAX_SEASON else min(history, MIN_HISTORY)


def _along_line(values: Any, known: Any, moved: Any, steps: Any, count: Any) -> Any:
    """Return values with the trend of the known values added to those that were repeated before the first known one.

    Arrays are (batch, history, targets): `known` is 1 for a known value, otherwise 0, `moved` the steps from the place
    of a value to where it was repeated, 0 or negative, and `count`, (batch, 1, targets), the number of known values.
    """
    time = ops.cast(steps, "float32")
    centre = ops.sum(known * time, axis=1, keepdims=True) / ops.cast(ops.maximum(count, 1), "float32")
    centred = known * (time - centre)
    squares = ops.sum(ops.square(centred), axis=1, keepdims=True)
    slope = ops.sum(centred * values, axis=1, keepdims=True) / ops.maximum(squares, 0.5)  # of one value it is 0
    return values + slope * moved


def _all_models(values: Any, counted: Any, models: Sequence[Members]) -> tuple[Any, Any]:
    """Return squared errors of counted steps, (batch, members, 2 targets), and forecasts, (…, horizon, 2 targets)."""
    columns = values.shape[2]
    squares, forecasts = [], []
    for model in models:
        members, horizon, steps = model.ahead.shape
        season_ahead = 0.0
        inner = values[:, -steps:]
        if model.season is not None:
            season = product(values, model.season.T)
            inner, season_ahead = inner - season[:, :steps], season[:, None, steps:]
        errors = product(inner, model.errors.reshape(-1, steps).T)
        errors = ops.reshape(errors, (-1, members, steps, columns)) * counted[:, None]
        ahead = ops.reshape(product(inner, model.ahead.reshape(-1, steps).T), (-1, members, horizon, columns))
        squares.append(ops.sum(ops.square(errors), axis=2))
        forecasts.append(ahead + season_ahead)
    return ops.concatenate(squares, axis=1), ops.concatenate(forecasts, axis=1)


def _weights(squares: Any, counted: Any, models: Sequence[Members], unit: Any, growth: Any, positive: Any) -> Any:
    """Return the weights of the models, (batch, 2 members, targets): first those of values, then those of logs.

    `squares` are sums of squared errors of the `counted` steps, (batch, members, 2 targets), in squares of `unit`, a
    share of the last value. `growth` are logs of the values as shares of the last value, because the density of
    logs is 1 / value. Logs have no weight unless all values are `positive`, (batch, 1, targets).
    """
    count = ops.sum(counted, axis=1, keepdims=True)
    fits = -0.5 * count * ops.log(squares / ops.maximum(count, 1.0) + _FLOOR)
    parameters = np.concatenate([model.parameters for model in models])
    unused = np.where(np.concatenate([model.on_logs for model in models]), 0.0, _NEVER)
    penalties = np.stack([parameters, parameters + unused]).astype(np.float32)[:, :, np.newaxis]
    plain, logs = ops.split(fits, 2, axis=-1)
    count, unit = count[..., : plain.shape[-1]], ops.log(ops.abs(unit))
    of_plain, of_logs = ops.split(unit, 2, axis=-1)
    density = ops.sum(counted[..., : plain.shape[-1]] * growth[:, -counted.shape[1] :], axis=1, keepdims=True)
    plain = plain - penalties[0]
    logs = logs - penalties[1] + count * (of_plain - of_logs) - density
    return ops.softmax(ops.concatenate([plain, ops.where(positive, logs, -_NEVER)], axis=1), axis=1)


@lru_cache(CACHED)
def ets_members(steps: int, horizon: int, season: int = 1) -> Members:
    """Return level, trend and damped-trend models; with a season longer than 1, each with this additive season."""
    models = []
    for level, share in itertools.product(LEVEL_WEIGHTS, SEASON_WEIGHTS if season > 1 else (0.0,)):
        for trend, damping in [(None, 1.0), *itertools.product(TREND_WEIGHTS, DAMPING)]:
            slope = None if trend is None else trend * level
            maps = operators(steps, horizon, level, slope, damping, share * (1 - level), season)
            models.append((*maps, trend is None or damping < 1))
    return _members(models)


@lru_cache(CACHED)
def theta_members(steps: int, horizon: int) -> Members:
    """Return simple exponential smoothing around shares of the line through the window, for each theta and level."""
    time = np.vander(np.arange(steps + horizon), 2)
    line = time @ np.linalg.pinv(time[:steps])  # (steps + horizon, steps)
    models = []
    for level, theta in itertools.product(LEVEL_WEIGHTS, THETAS):
        errors, ahead, parameters = operators(steps, horizon, level)
        share = 1 - 1 / theta
        errors, ahead = errors - share * errors @ line[:steps], ahead + share * (line[steps:] - ahead @ line[:steps])
        models.append((errors, ahead, parameters + (theta > 1), True))
    return _members(models)


def _members(models: list[tuple[Matrix, Matrix, int, bool]]) -> Members:
    errors, ahead, parameters, on_logs = zip(*models, strict=True)
    return Members(np.array(errors), np.array(ahead), np.array(parameters, np.float64), np.array(on_logs))


def operators(
    steps: int,
    horizon: int,
    level: float,
    trend: float | None = None,
    damping: float = 1.0,
    seasonal: float = 0.0,
    season: int = 1,
) -> tuple[Matrix, Matrix, int]:
    """Return errors one step ahead and forecasts of a window, as maps of its values, and the number of parameters.

    The model is additive. `trend` is None for a model without trend, and a season of 1 is none.

    Returns:
        (steps, steps), (horizon, steps) and the number of smoothing constants, initial states and the variance.
    """
    check_deadlines()
    observe, advance, gain = _state_space(level, trend, damping, seasonal, season)
    states = len(gain)
    state = np.eye(states, states + steps)  # as a map of the initial state and the values, like all below
    errors = np.zeros((steps, states + steps))
    for step in range(steps):
        errors[step] = -observe @ state
        errors[step, states + step] += 1
        state = advance @ state + np.outer(gain, errors[step])
    ahead = np.zeros((horizon, states + steps))
    for step in range(horizon):
        ahead[step] = observe @ state
        state = advance @ state
    of_state, of_values = np.split(errors, [states], axis=1)
    initial = -np.linalg.pinv(of_state, rcond=1e-8) @ of_values  # the state with the least squared error
    fitted = 2 + (2 if trend is not None else 0) + (damping < 1) + (season if season > 1 else 0)
    return of_values + of_state @ initial, ahead[:, states:] + ahead[:, :states] @ initial, fitted


def _state_space(
    level: float, trend: float | None, damping: float, seasonal: float, season: int
) -> tuple[Matrix, Matrix, Matrix]:
    """Return observation, transition and gain of a state of level, trend and the last season, newest first."""
    before = 1 if trend is None else 2
    states = before + (season if season > 1 else 0)
    observe, advance, gain = np.zeros(states), np.zeros((states, states)), np.zeros(states)
    observe[0], advance[0, 0], gain[0] = 1, 1, level
    if trend is not None:
        observe[1], advance[:2, 1], gain[1] = damping, damping, trend
    if season > 1:
        observe[-1], gain[before] = 1, seasonal
        advance[before:, before:] = np.roll(np.eye(season), 1, axis=0)
    return observe, advance, gain


def season_operator(history: int, horizon: int, season: int, waves: bool) -> Matrix:
    """Return the map of a window to its season and to that of the steps ahead, (history + horizon, history).

    The season is the mean of each position in it after a centred moving average is taken out, as in classical
    decomposition; or, with `waves`, the least-squares sine and cosine waves next to a line.
    """
    time = np.arange(-history, horizon)
    if waves:
        angles = 2 * np.pi / season * np.outer(time, np.arange(1, WAVES + 1))
        design = np.column_stack([np.cos(angles), np.sin(angles), np.ones(len(time)), time / history])
        fit = np.linalg.pinv(design[:history])
        return np.asarray(design[:, :-2] @ fit[:-2])
    half = season // 2
    weights = np.ones(season) / season if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5] / season
    inner = np.arange(half, history - half)
    rest = np.eye(history)[inner]
    for row, centre in enumerate(inner):
        rest[row, centre - half : centre + half + 1] -= weights
    figure = np.array([rest[(inner - history) % season == place].mean(axis=0) for place in range(season)])
    return np.asarray((figure - figure.mean(axis=0))[time % season])

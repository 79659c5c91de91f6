"""Graph of exponential smoothing: all models of a grid at once, averaged by how well they predicted the window.

Every model is tried on the values and, where all are positive, on their logs. Each weighs SSE^(-n/2), its likelihood,
less a penalty for each of its parameters (Akaike's), so that no test chooses a season or a trend (Kolassa, "Combining
exponential smoothing forecasts using Akaike weights", International Journal of Forecasting 27(2), 2011).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import ops

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.fits.smoothing_operators import (
    WAVES,
    Members,
    ets_members,
    season_operator,
    theta_members,
)
from gristmill.domains.timeseries.fits.window_graph import check_past, fill_source, longest_past, product

MIN_HISTORY = 36  # observations of a window, if the series have as many
SEASONS = 7  # seasons in a window, up to MAX_HISTORY observations
MIN_SEASONS = 3  # seasons in every window, even above MAX_HISTORY
MAX_HISTORY = 168  # observations
MAX_SEASON = 24  # a longer season has harmonics instead of a state for each position

_FLOOR = 1e-9  # added to squared errors in squared scales of the window: a perfect fit has no finite logarithm
_NEVER = 1e9  # penalty of a model that is not used
_MAX_GROWTH = 10.0  # natural log of the largest factor between the last value and a forecast on logs


def ets_forecaster(data: Prepared, season: int) -> keras.Model:
    """Return the network of exponential smoothing with and without trend, damping and season."""
    return smoothing_forecaster(data, season, ets_members, has_season=season <= MAX_SEASON)


def theta_forecaster(data: Prepared, season: int) -> keras.Model:
    """Return the network of the theta method, on the values and on those without season."""
    return smoothing_forecaster(data, season, theta_members, has_season=False)


def window_size(data: Prepared, season: int) -> tuple[int, int]:
    """Return the observations of a window, and the last ones on which models are compared."""
    check_past(data, 2)
    wanted = max(MIN_HISTORY, min(SEASONS * season, MAX_HISTORY), MIN_SEASONS * season)
    history = min(wanted, longest_past(data))
    return history, history if season <= MAX_SEASON else min(history, MIN_HISTORY)


def _adjusted(members: Members, history: int, season: int) -> Members:
    """Return the models on values without season.

    The season is fitted on the whole window, so the steps that are compared pay for their share of it alone.
    """
    waves, (_, horizon, steps) = season > MAX_SEASON, members.ahead.shape
    operator = season_operator(history, horizon, season, waves)[history - steps :]
    share = (2 * WAVES if waves else season) * steps / history
    return replace(members, season=operator, parameters=members.parameters + share)


def smoothing_forecaster(data: Prepared, season: int, members: Callable[..., Members], has_season: bool) -> keras.Model:
    """Return the network, (batch, history, columns) to (batch, horizon, targets), that averages models.

    These are members without season and, if the window has two seasons, either members that have a season themselves
    or the first ones on values without season. Inside, the second half of the last axis has the logs of the targets:
    (…, 2 targets).
    """
    horizon, (history, steps) = data.layout.horizon, window_size(data, season)
    models = [members(steps, horizon)]
    if 1 < season <= history // 2:
        models.append(members(steps, horizon, season) if has_season else _adjusted(models[0], history, season))

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

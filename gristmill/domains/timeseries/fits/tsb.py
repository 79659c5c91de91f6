"""Graph of the TSB method: exponentially weighted means of the probability and the size of demand."""

from itertools import product
from typing import Any

import keras
import numpy as np
from keras import ops

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.series_scale import step_sizes
from gristmill.domains.timeseries.data.windows import thinned
from gristmill.domains.timeseries.fits.window_graph import fill_source, longest_past

HISTORY = 100  # observations of a window; the weight of older ones is below 1 %
WEIGHTS = (0.05, 0.1, 0.2, 0.4)  # tried for probability and size
MAX_WINDOWS = 5_000  # on which they are tried


def tsb_forecaster(data: Prepared, probability: float | None, size: float | None) -> keras.Model:
    """Return the network, (batch, history, columns) to (batch, horizon, targets).

    Weights that are not given are those that forecast the training windows best.
    """
    history, layout = min(HISTORY, longest_past(data)), data.layout
    often, much = ((weight,) if weight else WEIGHTS for weight in (probability, size))
    weights = best_weights(data.view(history=history), list(product(often, much)))
    window = keras.Input((history, len(layout.columns)), name="history")
    forecast = demand_rate(window[:, :, : len(layout.targets)], *weights)
    return keras.Model(window, ops.repeat(forecast, layout.horizon, axis=1), name="forecaster")


def best_weights(data: Prepared, choices: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the weights with the lowest squared error on training windows, in units of each series' steps."""
    starts = thinned(data.origins("train"), MAX_WINDOWS)
    if len(choices) == 1 or not len(starts):
        return choices[0]
    values = ops.convert_to_tensor(data.histories(starts)[:, :, : len(data.layout.targets)])
    truth = data.targets(starts)
    units = step_sizes(data)[data.series_of(starts), np.newaxis]

    def squared_error(weights: tuple[float, float]) -> float:
        return float(np.square((np.asarray(demand_rate(values, *weights)) - truth) / units).mean())

    return min(choices, key=squared_error)


def demand_rate(values: Any, probability: float, size: float) -> Any:
    """Return the forecast of each step, (batch, 1, targets), for windows of targets, in a graph or at once."""
    observed = ops.logical_not(ops.isnan(values))
    values = ops.take_along_axis(values, fill_source(observed, 1)[0], axis=1)  # in ONNX a `where` does not remove NaN
    known = ops.cast(observed, "float32")
    demand = known * ops.cast(values != 0, "float32")
    return _newest_weigh_most(demand, known, probability) * _newest_weigh_most(values, demand, size)


def _newest_weigh_most(values: Any, counted: Any, weight: float) -> Any:
    """Return the exponentially weighted mean of the values that count, (batch, 1, targets); 0 if none does.

    The newest value that counts weighs most, each older one `weight` less than the one after it.
    """
    later = ops.sum(counted, axis=1, keepdims=True) - ops.cumsum(counted, axis=1)
    weights = counted * ops.exp(later * np.float32(np.log1p(-weight)))
    total = ops.sum(weights, axis=1, keepdims=True)
    return ops.sum(weights * values, axis=1, keepdims=True) / ops.maximum(total, np.float32(1e-9))

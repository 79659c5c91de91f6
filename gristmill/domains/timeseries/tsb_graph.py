"""Graph of the TSB method: exponentially weighted means of the probability and the size of demand."""

from itertools import product
from typing import Any

import keras
import numpy as np
from keras import ops

from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.forecasts import by_network
from gristmill.domains.timeseries.series_scale import step_sizes
from gristmill.domains.timeseries.window_graph import fill_source, longest_past
from gristmill.domains.timeseries.windows import thinned

HISTORY = 100  # observations of a window; the weight of older ones is below 1 %
WEIGHTS = (0.05, 0.1, 0.2, 0.4)  # tried for probability and size
MAX_WINDOWS = 5_000  # on which they are tried


def tsb_forecaster(data: Prepared, probability: float | None, size: float | None) -> keras.Model:
    """Return the network; weights that are not given are those that forecast the training windows best."""
    history = min(HISTORY, longest_past(data))
    choices = [(one,) if one else WEIGHTS for one in (probability, size)]
    tried = [network(data, history, *weights) for weights in product(*choices)]
    return tried[0] if len(tried) == 1 else min(tried, key=lambda each: _squared_error(each, data))


def network(data: Prepared, history: int, probability: float, size: float) -> keras.Model:
    """Return the network, (batch, history, columns) to (batch, horizon, targets), for given weights."""
    window = keras.Input((history, len(data.layout.columns)), name="history")
    values = window[:, :, : len(data.layout.targets)]
    observed = ops.logical_not(ops.isnan(values))
    values = ops.take_along_axis(values, fill_source(observed, 1)[0], axis=1)  # in ONNX a `where` does not remove NaN
    known = ops.cast(observed, "float32")
    demand = known * ops.cast(values != 0, "float32")
    often = _newest_weigh_most(demand, known, probability)
    much = _newest_weigh_most(values, demand, size)
    forecast = ops.repeat(often * much, data.layout.horizon, axis=1)
    return keras.Model(window, forecast, name="forecaster")


def _newest_weigh_most(values: Any, counted: Any, weight: float) -> Any:
    """Return the exponentially weighted mean of the values that count, (batch, 1, targets); 0 if none does.

    The newest value that counts weighs most, each older one `weight` less than the one after it.
    """
    later = ops.sum(counted, axis=1, keepdims=True) - ops.cumsum(counted, axis=1)
    weights = counted * ops.exp(later * np.float32(np.log1p(-weight)))
    total = ops.sum(weights, axis=1, keepdims=True)
    return ops.sum(weights * values, axis=1, keepdims=True) / ops.maximum(total, np.float32(1e-9))


def _squared_error(forecaster: keras.Model, data: Prepared) -> float:
    """Return the mean squared error on training windows, in units of each series' steps."""
    starts = thinned(data.origins("train"), MAX_WINDOWS)
    errors = by_network(forecaster, data.seen_by(forecaster), starts) - data.targets(starts)
    return (
        float(np.square(errors / step_sizes(data)[data.series_of(starts), np.newaxis]).mean()) if len(starts) else 0.0
    )

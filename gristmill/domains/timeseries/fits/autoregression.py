"""Autoregression on first differences: least squares, order by AIC, and the recursion over the horizon as one map.

Several series share the coefficients of each target. Their differences are divided by the root mean square of those in
the window, so that series of all sizes count alike; of one series they stay as they are.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.timeseries.data.dataset import PartRange, Prepared
from gristmill.domains.timeseries.data.windows import history_index, origins, thinned
from gristmill.domains.timeseries.fits.window_graph import check_past, forecaster
from gristmill.training.deadline import check_deadlines

Array = npt.NDArray[np.float64]

MAX_ROWS = 100_000  # differences to fit on, the last ones: enough for any order, and cheap
MIN_ROWS_PER_SERIES = 100  # also where there are many series
MAX_WINDOWS = 200_000  # of all series; more are thinned out evenly


def autoregressive_forecaster(data: Prepared, order: int | None) -> keras.Model:
    """Return the network, with a kernel for each target; without an order, the lowest AIC of each target chooses.

    Raises:
        Unsuitable: all training sets are too short for the order.
    """
    check_past(data, 2 * (order or 1) + 3)
    horizon, pooled = data.layout.horizon, len(data.ids) > 1
    fitted = [_fit(data, target, order) for target in range(len(data.layout.targets))]
    steps = max(len(coefficients) - 1 for coefficients in fitted)
    kernel = np.stack([_kernel(coefficients, steps, horizon) for coefficients in fitted], axis=-1)

    def graph(values: Any, count: Any) -> Any:
        scale = ops.ones_like(values[:, -1:])
        if pooled:
            changes = ops.cast(ops.maximum(count - 1, 1), "float32")
            squares = ops.square(values[:, 1:] - values[:, :-1])
            scale = ops.sqrt(ops.sum(squares, axis=1, keepdims=True) / changes)
        layer = keras.layers.EinsumDense("bht,hst->bst", kernel.shape[1:], trainable=False)
        forecast = layer(ops.concatenate([values, scale], axis=1))
        layer.set_weights([kernel])
        return forecast

    return forecaster(data, steps + 1, graph)


def _fit(data: Prepared, target: int, order: int | None) -> Array:
    """Return the coefficients of constant and lags, oldest lag first."""
    check_deadlines()
    # Take the step to each value, and the range of the last ones in each training set.
    values = data.values[:, target].astype(np.float64)
    changes = np.diff(values, prepend=values[:1])
    begins, ends = data.part("train").T
    rows = max(MIN_ROWS_PER_SERIES, MAX_ROWS // len(data.ids))
    ranges = np.column_stack([np.minimum(np.maximum(begins + 1, ends - rows), ends), ends])

    # Choose the order, and fit it.
    pooled = len(data.ids) > 1
    if order is None:
        longest = int(np.diff(ranges).max())
        limit = max(1, min(int(10 * np.log10(longest)), longest // 3))
        order = order_by_aic(*_stacked(changes, ranges, limit, pooled))
    return np.linalg.lstsq(*_stacked(changes, ranges, order, pooled))[0].astype(np.float64)


def _stacked(changes: Array, ranges: PartRange, order: int, pooled: bool) -> tuple[Array, Array]:
    """Return constant and lags, (rows, order + 1), and the differences that follow, (rows,), of all series."""
    starts = thinned(origins(ranges, order, 1, 1, ranges[:, 0]), MAX_WINDOWS)
    windows = changes[history_index(starts + 1, order + 1)]
    if pooled:
        scale = np.sqrt(np.mean(np.square(windows[:, :-1]), axis=1, keepdims=True))
        windows = windows[scale[:, 0] > 0] / scale[scale[:, 0] > 0]
    return np.column_stack([np.ones(len(windows)), windows[:, :-1]]), windows[:, -1]


def order_by_aic(design: Array, ahead: Array) -> int:
    """Return the order with the lowest AIC, all of them judged on the same rows.

    One QR decomposition serves them all: what the columns from the newest lag on leave of the differences lies in the
    last column of R, below as many rows.
    """
    limit = design.shape[1] - 1
    newest_first = np.column_stack([design[:, 0], design[:, :0:-1], ahead])
    left = np.square(np.asarray(np.linalg.qr(newest_first, mode="r"))[:, -1])
    variances = np.maximum([left[order + 1 :].sum() / max(1, len(design)) for order in range(1, limit + 1)], 1e-300)
    criteria = len(design) * np.log(variances) + 2 * np.arange(1, limit + 1)
    return int(criteria.argmin()) + 1


def _kernel(coefficients: Array, steps: int, horizon: int) -> Array:
    """Return the map, (steps + 2, horizon), of the last values and the scale to the next values minus the last one.

    The recursion is run on the identity: each difference is a map of the last `steps` differences and the constant.
    """
    order = len(coefficients) - 1
    maps = list(np.eye(steps, steps + 1))
    for _ in range(horizon):
        ahead = coefficients[1:] @ np.array(maps[-order:])
        ahead[-1] += coefficients[0]
        maps.append(ahead)
    changes = np.cumsum(maps[steps:], axis=0).T  # (steps + 1, horizon), of differences and scale
    kernel = np.zeros((steps + 2, horizon))
    kernel[1:-1] = changes[:-1]
    kernel[:-2] -= changes[:-1]
    kernel[-1] = changes[-1]
    return kernel

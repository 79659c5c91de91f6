"""Forecasters in closed form as graphs from windows in raw units to forecasts in raw units, and naive kernels for them.

Such a forecaster chooses its own history. Where a series is shorter, its window begins with NaN.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.errors import Unsuitable

Kernel = npt.NDArray[np.float64]  # (history, horizon): forecasts = values @ kernel, weighted means of the values


def longest_past(data: Prepared) -> int:
    """Return the number of observations in the longest training set of a series."""
    return int(np.diff(data.part("train")).max())


def check_past(data: Prepared, needed: int) -> None:
    """Raise `Unsuitable` if no training set of a series has as many observations as needed."""
    if (longest := longest_past(data)) < needed:
        longest_of = "the series has" if len(data.ids) == 1 else "the longest series has"
        raise Unsuitable(f"needs {needed} observations in the training set; {longest_of} {longest}")


def season_of(data: Prepared, season: int | None) -> int:
    """Return the season of a kind's settings, or else of the layout.

    Raises:
        Unsuitable: there is no season.
    """
    season = season or data.layout.season
    if not season:
        raise Unsuitable("needs a season, and none was found in the training set; set preprocess.season")
    return season


def forecaster(data: Prepared, history: int, graph: Callable[[Any, Any], Any], season: int = 1) -> keras.Model:
    """Return a network, (batch, history, columns) to (batch, horizon, targets), around a graph of centred values.

    `graph` gets the targets minus their last values, (batch, history, targets), so that float32 has digits for the
    changes of large values, and the number of observed steps, (batch, 1, targets). It returns forecasts minus the last
    values, (batch, horizon, targets).
    """
    window = keras.Input((history, len(data.layout.columns)), name="history")
    values, count = filled(window[:, :, : len(data.layout.targets)], season)
    last = values[:, -1:, :]
    # The order matters: Keras adds a second summand (batch, 1, targets) as a bias if batch = horizon.
    return keras.Model(window, last + graph(values - last, count), name="forecaster")


def linear_forecaster(data: Prepared, kernel: Kernel, season: int = 1) -> keras.Model:
    """Return a network whose forecasts are the targets' values times a kernel with columns that sum to 1."""
    return forecaster(data, len(kernel), lambda values, count: product(values, kernel), season)


def moving_average(length: int, horizon: int) -> Kernel:
    """Return the kernel of the mean of the last `length` values."""
    return np.full((length, horizon), 1 / length)


def seasonal_naive(season: int, horizon: int) -> Kernel:
    """Return the kernel of the last season, repeated however long the horizon."""
    return np.eye(season)[:, np.arange(horizon) % season]


def differencing(season: int, length: int, smooth: int, horizon: int) -> Kernel:
    """Return the kernel of the value of a season ago plus the mean of the last `length` differences between seasons.

    The mean of differences trails: it ends before the origin. The value of a season ago can be smoothed by a *centred*
    mean of `smooth` values, from `smooth // 2` before it on, because what came after it is known as well: one step
    ahead, with a season of 365 and 10 values, the mean of t - 370 … t - 361. Where such a window would reach beyond
    the origin, near the end of a season, it is cut off there. Further ahead than a season the last whole season is
    taken again, with one more mean difference a season.
    """
    history = season + max(length, smooth // 2)
    growth = np.zeros(history)
    growth[-length:] += 1 / length
    growth[history - length - season : history - season] -= 1 / length
    kernel = np.zeros((history, horizon))
    for step in range(horizon):
        seasons = step // season + 1
        first = step - seasons * season - smooth // 2  # from the origin
        kernel[first : min(0, first + smooth) or None, step] = 1 / min(smooth, -first)
        kernel[:, step] += seasons * growth
    return kernel


def drift_forecaster(data: Prepared, length: int | None) -> keras.Model:
    """Return the network that continues the line from the first observed value of a window to the last.

    Raises:
        Unsuitable: no training set is as long as the window.
    """
    history = max(2, length or min(500, longest_past(data)))
    check_past(data, history)
    ahead = np.arange(1, data.layout.horizon + 1, dtype=np.float32).reshape(1, -1, 1)

    def line(values: Any, count: Any) -> Any:
        steps = ops.cast(ops.maximum(count - 1, 1), "float32")
        return -values[:, :1] / steps * ahead  # the values are centred: the last one is 0

    return forecaster(data, history, line)


def filled(values: Any, season: int) -> tuple[Any, Any]:
    """Return values, (batch, history, targets), without their leading NaN, and the number of observed steps."""
    observed = ops.logical_not(ops.isnan(values))
    source, _, count = fill_source(observed, season)
    return ops.take_along_axis(values, source, axis=1), count


def fill_source(observed: Any, season: int) -> tuple[Any, Any, Any]:
    """Return the step from which each step takes its value, each step, and the number of observed steps.

    Before the first observation the first season is repeated backwards; all that there is of it if the series is
    shorter. All are int32: (batch, history, targets), the same, and (batch, 1, targets).
    """
    history, ones = observed.shape[1], ops.cast(observed, "int32")
    count = ops.sum(ones, axis=1, keepdims=True)
    steps = ops.cumsum(ops.ones_like(ones), axis=1) - 1  # a constant would be written into the architecture
    place = steps - (history - count)  # 0 at the first observation, negative before
    shortest = ops.clip(count, 1, season)
    repeated = ops.mod(place + history * shortest, shortest)  # in ONNX, a negative number has another remainder
    source = ops.where(place < 0, repeated + history - count, steps)
    return ops.clip(source, 0, history - 1), steps, count


def product(values: Any, kernel: Kernel) -> Any:
    """Return the products of values, (batch, history, targets), and a kernel, (batch, outputs, targets)."""
    layer = keras.layers.EinsumDense("bht,hs->bst", (kernel.shape[1], values.shape[2]), trainable=False)
    products = layer(values)
    layer.set_weights([kernel])
    return products

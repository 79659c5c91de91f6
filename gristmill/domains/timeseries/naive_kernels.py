"""Naive forecasts as kernels, (history, horizon): each forecast is a weighted mean of the window's values."""

from typing import Any

import keras
import numpy as np
from keras import ops

from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.window_graph import Kernel, forecaster


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


def drift_forecaster(data: Prepared, history: int) -> keras.Model:
    """Return the network that continues the line from the first observed value of a window to the last."""
    ahead = np.arange(1, data.layout.horizon + 1, dtype=np.float32).reshape(1, -1, 1)

    def line(values: Any, count: Any) -> Any:
        steps = ops.cast(ops.maximum(count - 1, 1), "float32")
        return -values[:, :1] / steps * ahead  # the values are centred: the last one is 0

    return forecaster(data, history, line)

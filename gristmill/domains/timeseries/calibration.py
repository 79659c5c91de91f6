"""Calibration of the quantiles of all forecasters on forecasts of data on which none was fitted."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gristmill.domains.timeseries.conformal import calibrate
from gristmill.domains.timeseries.dataset import Prepared, inside
from gristmill.domains.timeseries.forecasts import WINDOWS_PER_CALL, Array, Forecasts
from gristmill.domains.timeseries.intervals import Intervals, clipped, local_scale, scale_history, scale_lag
from gristmill.domains.timeseries.metrics import mean_pinball_loss
from gristmill.domains.timeseries.windows import Origins
from gristmill.runs.scores import MODEL


def local_scales(data: Prepared, starts: Origins, lag: int, empty: Any = 0.0, most: int | None = None) -> Array:
    """Return the local scale of the windows at some origins, (windows, targets), from at most `most` observations."""
    seen, targets = data.view(history=scale_history(lag, most)), len(data.layout.targets)
    blocks = [starts[begin : begin + WINDOWS_PER_CALL] for begin in range(0, len(starts), WINDOWS_PER_CALL)]
    found = [local_scale(seen.histories(block)[..., :targets], lag, empty) for block in blocks]
    return np.concatenate([np.empty((0, targets)), *found])


def with_intervals(forecasts: Forecasts, data: Prepared, intervals: Mapping[str, Intervals]) -> Forecasts:
    """Return forecasts with the calibrated quantiles of each forecaster; the model keeps those that it has learned."""
    if forecasts.learned is not None:
        intervals = {name: one for name, one in intervals.items() if name != MODEL}
    one = next(iter(intervals.values()))
    made = {
        name: clipped(made, intervals[name].nonnegative) if name in intervals else made
        for name, made in forecasts.by_name.items()
    }
    scale = local_scales(data, forecasts.starts, one.lag, one.empty, one.most)
    return replace(forecasts, by_name=made, levels=one.levels, intervals=intervals, scale=scale)


def calibrated(
    calibration: Forecasts, data: Prepared, levels: Sequence[float], most: int | None = None
) -> dict[str, Intervals]:
    """Return the intervals of each forecaster, calibrated on forecasts of data on which none was fitted.

    The local scale is that of seasonal differences or of steps, whichever gives the model the lower pinball loss. It
    comes from at most `most` observations; a model of any length has no more in its window.
    """
    truth, nonnegative = calibration.truth, _never_negative(data)
    scales = {
        lag: local_scales(data, calibration.starts, lag, most=most)
        for lag in dict.fromkeys((scale_lag(data.layout.season), 1))
    }

    def intervals(forecast: Array, lag: int) -> Intervals:
        return replace(calibrate(truth, forecast, scales[lag], levels, lag, nonnegative), most=most)

    def loss(lag: int) -> float:
        model = calibration.by_name[MODEL]
        of_model = intervals(model, lag)
        scale = np.where(scales[lag] > 0, scales[lag], of_model.empty)
        total = 0.0
        for begin in range(0, len(truth), WINDOWS_PER_CALL):
            at = slice(begin, begin + WINDOWS_PER_CALL)
            total += mean_pinball_loss(truth[at], of_model.around(model[at], scale[at]), levels).sum()
        return float(total / truth.size)

    lag = min(scales, key=loss)
    return {name: intervals(forecast, lag) for name, forecast in calibration.by_name.items()}


def _never_negative(data: Prepared) -> list[bool]:
    """Return for each target whether no value before the test set is negative."""
    before = np.column_stack([data.bounds[:, 0], data.part("test")[:, 0]])
    is_negative = (data.values[:, : len(data.layout.targets)] < 0)[inside(len(data.values), before)]
    return [not found for found in np.any(is_negative, axis=0).tolist()]

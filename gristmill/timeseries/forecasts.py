"""Forecasts of a part's windows by every baseline, beside the model's, and with intervals."""

import numpy as np

from gristmill.timeseries.baselines import baselines
from gristmill.timeseries.intervals import Intervals, calibrate
from gristmill.timeseries.predictions import Forecasts
from gristmill.timeseries.prepared import MODEL, Prepared
from gristmill.timeseries.settings import Evaluate


def calibrated(calibration: Forecasts, data: Prepared, settings: Evaluate, level: float) -> Intervals:
    """Return intervals of a level, calibrated on forecasts of data the network was not fitted on."""
    histories = data.histories(calibration.starts)
    return calibrate(calibration.truth, calibration.made[MODEL], histories, level, settings.season)


def with_intervals(forecasts: Forecasts, data: Prepared, intervals: Intervals) -> Forecasts:
    """Return forecasts with the model's conformal intervals."""
    half = intervals.half_widths(data.histories(forecasts.starts))
    model = forecasts.made[MODEL]
    return Forecasts(forecasts.starts, forecasts.truth, forecasts.made, model - half, model + half)


def with_baselines(forecasts: Forecasts, data: Prepared, part: str, settings: Evaluate, names: list[str]) -> Forecasts:
    """Return forecasts with those of the named baselines, each fitted on what lies before the part."""
    made = {name: np.empty_like(forecasts.truth) for name in names}
    for series, mine in data.by_series(forecasts.starts):
        first, end = data.bounds[series]
        fitted = max(1, int(data.part(part)[series, 0] - first))
        chosen = baselines(settings, fitted)
        for channel in range(forecasts.truth.shape[-1]):
            values = data.values[first:end, channel].astype(np.float64)
            for name in names:
                made[name][mine, :, channel] = chosen[name](values, forecasts.starts[mine] - first, data.layout.horizon)
    return Forecasts(forecasts.starts, forecasts.truth, forecasts.made | made, forecasts.low, forecasts.high)


def baselines_of(data: Prepared, part: str, settings: Evaluate) -> list[str]:
    """Return the names of the baselines for which every series has enough past before a part.

    A series that begins in the part counts as if it had one value: the naive forecast takes what a window has seen.
    """
    owners = np.unique(data.series_of(data.origins(part)))
    past = data.part(part)[owners, 0] - data.bounds[owners, 0]
    return list(baselines(settings, max(1, int(past.min()))))

"""Forecasts of a part's windows by every baseline, beside the model's, and with intervals."""

from dataclasses import replace

import numpy as np

from gristmill.domains.timeseries.baselines import baselines
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Array, Forecasts
from gristmill.domains.timeseries.intervals import Intervals, calibrate
from gristmill.domains.timeseries.settings import Evaluate
from gristmill.domains.timeseries.windows import Origins
from gristmill.runs.scores import MODEL


def calibrated(calibration: Forecasts, data: Prepared, settings: Evaluate, level: float) -> Intervals:
    """Return intervals of a level, calibrated on forecasts of data the network was not fitted on."""
    histories = data.histories(calibration.starts)
    return calibrate(calibration.truth, calibration.by_name[MODEL], histories, level, settings.season)


def with_intervals(forecasts: Forecasts, data: Prepared, intervals: Intervals) -> Forecasts:
    """Return forecasts with the model's conformal intervals."""
    half = intervals.half_widths(data.histories(forecasts.starts))
    model = forecasts.by_name[MODEL]
    return Forecasts(forecasts.starts, forecasts.truth, forecasts.by_name, model - half, model + half)


def with_baselines(forecasts: Forecasts, data: Prepared, part: str, settings: Evaluate, names: list[str]) -> Forecasts:
    """Return forecasts with those of the named baselines, each fitted on what lies before the part."""
    return replace(forecasts, by_name=forecasts.by_name | by_baselines(data, part, forecasts.starts, settings, names))


def by_baselines(data: Prepared, part: str, starts: Origins, settings: Evaluate, names: list[str]) -> dict[str, Array]:
    """Return the forecasts of the named baselines, each fitted on what lies before the part."""
    horizon, targets = data.layout.horizon, len(data.layout.targets)
    made = {name: np.empty((len(starts), horizon, targets)) for name in names}
    for series, mine in data.by_series(starts):
        first, end = data.bounds[series]
        fitted = max(1, int(data.part(part)[series, 0] - first))
        chosen = baselines(settings, fitted)
        for channel in range(targets):
            values = data.values[first:end, channel].astype(np.float64)
            for name in names:
                made[name][mine, :, channel] = chosen[name](values, starts[mine] - first, horizon)
    return made


def baselines_of(data: Prepared, settings: Evaluate, *parts: str) -> list[str]:
    """Return the names of the baselines for which every series has enough past before parts.

    A series that begins in the part counts as if it had one value: the naive forecast takes what a window has seen.
    """
    owners = [(part, np.unique(data.series_of(data.origins(part)))) for part in parts]
    past = np.concatenate([data.part(part)[own, 0] - data.bounds[own, 0] for part, own in owners])
    return list(baselines(settings, max(1, int(past.min()))))

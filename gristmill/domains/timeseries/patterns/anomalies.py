"""Anomalies: values outside the conformal interval of a high level.

An anomaly distorts the forecasts of the windows that see it, so its neighbours would be flagged as well. Therefore only
the first value of each cluster is flagged and replaced by its forecast. The windows after it are then forecast again,
until no new value is flagged.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.windows import Origins
from gristmill.domains.timeseries.forecasts import Array
from gristmill.domains.timeseries.intervals.calibration import local_at
from gristmill.domains.timeseries.intervals.quantiles import Intervals, clipped

_MAX_ROUNDS = 20  # at most this many values of one cluster are flagged


def flag(
    data: Prepared, part: str, forecaster: Callable[[Prepared, Origins], Array], intervals: Intervals
) -> pd.DataFrame:
    """Return the anomalies of a part: `unique_id`, `channel`, `ds`, `y`, `expected`, `low`, `high`.

    Values outside `intervals` are flagged. The forecaster returns (windows, horizon, targets) from some origins.
    """
    starts = data.all_origins(part, horizon=1, stride=1)
    starts = starts[~data.filled[starts]]
    owner = data.series_of(starts)
    targets = len(data.layout.targets)
    intervals = intervals.first_step()
    reach = max(data.layout.history, intervals.history)
    values, cleaned = data.values[starts, :targets], replace(data, values=data.values.copy())
    expected, low, high = (np.empty((len(starts), targets)) for _ in range(3))
    flagged, stale = np.zeros((len(starts), targets), bool), np.ones(len(starts), bool)
    for _ in range(_MAX_ROUNDS):
        # Forecast the values whose windows changed, and their intervals.
        expected[stale] = clipped(forecaster(cleaned, starts[stale])[:, 0], intervals.nonnegative)
        local = local_at(cleaned, starts[stale], intervals.lag, intervals.empty, intervals.max_history)
        bounds = intervals.around(expected[stale, np.newaxis], local)[:, 0]
        low[stale], high[stale] = bounds[..., 0], bounds[..., -1]

        # Flag the first value of each cluster, and replace it by its forecast.
        outside = ((values < low) | (values > high)) & ~flagged
        new = outside & ~_follows(np.any(outside, axis=1), starts, owner, reach)[:, np.newaxis]
        if not new.any():
            break
        flagged |= new
        cleaned.values[starts, :targets] = np.where(new, expected, cleaned.values[starts, :targets])
        stale = _follows(np.any(new, axis=1), starts, owner, reach)
    window, channel = np.nonzero(flagged)
    return pd.DataFrame(
        {
            "unique_id": np.array(data.ids, object)[owner[window]],
            "channel": np.array(data.layout.targets, object)[channel],
            "ds": data.times[starts[window]],
            "y": values[window, channel],
            "expected": expected[window, channel],
            "low": low[window, channel],
            "high": high[window, channel],
        }
    )


def _follows(
    marked: npt.NDArray[np.bool_], starts: Origins, owner: npt.NDArray[np.int64], reach: int
) -> npt.NDArray[np.bool_]:
    """Return which windows see the value at a marked origin of their own series, (windows,)."""
    never = np.iinfo(np.int64).min // 2
    last = np.maximum.accumulate(np.where(marked, starts, never))
    before = np.concatenate([[never], last[:-1]])
    begins = np.searchsorted(owner, owner)  # each series' first window
    return np.asarray((starts - before <= reach) & (before >= starts[begins]))

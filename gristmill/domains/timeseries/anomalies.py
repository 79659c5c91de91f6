"""Values that the forecasts did not expect: outside the conformal interval of a high level.

A value that is flagged would spoil the windows that see it, and its neighbours would be flagged for it. So the first of
every cluster is taken, replaced by its forecast, and the windows after it are forecast again, until none is new.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries import windows
from gristmill.domains.timeseries.dataset import Prepared
from gristmill.domains.timeseries.forecasts import Forecaster
from gristmill.domains.timeseries.intervals import Intervals
from gristmill.domains.timeseries.windows import Origins

ForecasterOf = Callable[[Prepared], Forecaster]  # from series to a function from origins to (windows, horizon, targets)

_ROUNDS = 20  # of taking firsts; a cluster with more flags is left as it is then
_SPIKE = 5.0  # mean absolute errors: how far injected spikes stand out
_RARE = 50  # one injected spike in so many values


def flag(data: Prepared, part: str, forecaster: ForecasterOf, intervals: Intervals) -> pd.DataFrame:
    """Return the flagged values of a part: `unique_id`, `channel`, `ds`, `y`, `expected`, `low`, `high`.

    Args:
        data: the series.
        part: which part.
        forecaster: from series to a function from origins to forecasts.
        intervals: of the level beyond which a value is flagged.
    """
    starts = _every_origin(data, part)
    flagged, expected, half = _flags(data, starts, forecaster, intervals)
    at, channel = np.nonzero(flagged)
    values, forecast, width = data.values[starts[at], channel], expected[at, channel], half[at, channel]
    return pd.DataFrame(
        {
            "unique_id": np.array(data.ids, object)[data.series_of(starts[at])],
            "channel": np.array(data.layout.targets, object)[channel],
            "ds": data.times[starts[at]],
            "y": values,
            "expected": forecast,
            "low": forecast - width,
            "high": forecast + width,
        }
    )


def score_spikes(
    data: Prepared, part: str, forecaster: ForecasterOf, intervals: Intervals, error: float
) -> dict[str, float]:
    """Return how well injected spikes are found: precision and recall.

    One value in 50 of the part's first target is shifted up or down by five times `error`, the model's mean absolute
    error. What is flagged and was not injected counts as false, even where it is a real outlier.
    """
    random = np.random.default_rng(0)
    starts = _every_origin(data, part)
    chosen = np.sort(random.choice(starts, max(1, len(starts) // _RARE), replace=False))
    spoilt = data.values.copy()
    spoilt[chosen, 0] += (random.choice([-1.0, 1.0], len(chosen)) * _SPIKE * error).astype(np.float32)
    flagged, _, _ = _flags(replace(data, values=spoilt), starts, forecaster, intervals)
    found = set(starts[flagged[:, 0]].tolist())
    hits = len(found & set(chosen.tolist()))
    return {
        "injected": len(chosen),
        "size": _SPIKE * error,
        "recall": hits / len(chosen),
        "precision": hits / len(found) if found else 0.0,
    }


def _flags(
    data: Prepared, starts: Origins, forecaster: ForecasterOf, intervals: Intervals
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return which values at `starts` are flagged, what was expected of them and half their intervals' width."""
    targets, history = len(data.layout.targets), data.layout.history
    cleaned = replace(data, values=data.values.copy())
    expected, half = np.empty((len(starts), targets)), np.empty((len(starts), targets))
    flagged = np.zeros((len(starts), targets), bool)
    owner, stale = data.series_of(starts), np.ones(len(starts), bool)
    for _ in range(_ROUNDS):
        expected[stale] = forecaster(cleaned)(starts[stale])[:, 0]
        half[stale] = intervals.half_widths(cleaned.histories(starts[stale]))[:, 0]
        outside = (np.abs(data.values[starts, :targets] - expected) > half) & ~flagged
        new = outside & ~_follows(np.any(outside, axis=1), starts, owner, history)[:, np.newaxis]
        if not new.any():
            break
        flagged |= new
        cleaned.values[starts, :targets] = np.where(new, expected, cleaned.values[starts, :targets])
        stale = _follows(np.any(new, axis=1), starts, owner, history)
    return flagged, expected, half


def _follows(
    marked: npt.NDArray[np.bool_], starts: Origins, owner: npt.NDArray[np.int64], reach: int
) -> npt.NDArray[np.bool_]:
    """Return which windows see the value at a marked origin of their own series: (windows,)."""
    longest_ago = np.iinfo(np.int64).min // 2
    last = np.maximum.accumulate(np.where(marked, starts, longest_ago))
    before = np.concatenate([[longest_ago], last[:-1]])
    begins = np.searchsorted(owner, owner)  # each series' first window
    return np.asarray((starts - before <= reach) & (before >= starts[begins]))


def _every_origin(data: Prepared, part: str) -> Origins:
    """Return every origin of a part whose first step is judged, whatever the stride."""
    made = [
        windows.origins((int(begin), int(end)), data.layout.history, 1, first=int(first))
        for (begin, end), first in zip(data.part(part), data.bounds[:, 0], strict=True)
    ]
    starts = np.concatenate(made)
    return starts[~data.filled[starts]]

"""Split each series into training, validation and test set: all at the same times, or each before its own end.

Use the second for series that end at different times, such as those of a forecasting competition. A series that is too
short for a part then has no such part: its observations are training data, and forecasts use the history it has.
Retraining splits them with "time_short": at the same times, and short ones are forecast too.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.data.dataset import PartRange, parts_between
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.errors import DataError

MIN_BEFORE_BLOCK = 8  # observations before a held-out block, and more than two seasons
Sizes = npt.NDArray[np.int64]  # (series,)


def part_sizes(lengths: Sizes, size: float) -> Sizes:
    """Return the observations of a part; a size below 1 is a share of each length, of at least one observation."""
    return np.maximum(1, np.rint(size * lengths).astype(np.int64)) if 0 < size < 1 else np.full_like(lengths, size)


def part_size(length: int, size: float) -> int:
    """Return the observations of a part of one series."""
    return int(part_sizes(np.array(length), size))


def split_all(times: "pd.Series[Any]", lengths: Sizes, settings: Preprocess) -> tuple[PartRange, PartRange]:
    """Return the range of each series, (series, 2), and of its parts, (series, 3, 2).

    All series are split at the same times, so that none is trained on a day on which another is tested.

    Times are those of all observations, series by series. Sizes of parts that are shares refer to the span from the
    first to the last time of all series.

    Raises:
        DataError: nothing is left to train on.
    """
    ordered = np.sort(times.to_numpy(), kind="stable")  # fast, because each series is sorted already
    grid = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    validation, test = (part_size(len(grid), size) for size in (settings.validation, settings.test))
    if validation + test >= len(grid):
        raise DataError(
            f"the series has {len(grid)} observations, but validation takes {validation} and test {test}. "
            "Give it more rows, or set smaller parts in the table 'preprocess'."
        )
    bounds = bounds_of(lengths)
    cuts = reached(times.to_numpy(), bounds, grid[[-validation - test, -test]])
    return bounds, parts_between(bounds[:, 0], cuts, bounds[:, 1])


def split_each(lengths: Sizes, settings: Preprocess, past: int) -> tuple[PartRange, PartRange]:
    """Return the range of each series, (series, 2), and of its parts, (series, 3, 2), counted back from its own end.

    Sizes of parts that are shares refer to the length of the series; a test set is at least as long as the horizon. A
    series without `past` observations before its test set has none. One whose validation set would be shorter than the
    horizon, or without an observation before it, has none of that.

    Raises:
        DataError: no series is long enough for a test set.
    """
    bounds = bounds_of(lengths)
    test = np.maximum(part_sizes(lengths, settings.test), settings.horizon if settings.test < 1 else 0)
    if not (lengths >= test + past).any():
        raise DataError(
            f"no series is long enough to be tested: the longest has {lengths.max()} observations, but a test set of "
            f"{test[lengths.argmax()]} needs {past} before it. Set a smaller preprocess.test, or a shorter "
            "preprocess.horizon."
        )
    judged = bounds[:, 1] - np.where(lengths >= test + past, test, 0)
    validation = part_sizes(lengths, settings.validation)
    chosen = judged - validation
    learned = np.where((chosen > bounds[:, 0]) & (validation >= settings.horizon), chosen, judged)
    return bounds, parts_between(bounds[:, 0], learned, judged, bounds[:, 1])


def min_past(settings: Preprocess, known: bool) -> int | None:
    """Return the observations that a series must have to be forecast; None for a whole history.

    With known columns it is at least the horizon, because windows hold the known columns of all steps to forecast.
    """
    past = settings.min_history or (None if settings.split == "time" else 1)
    return max(past, settings.horizon) if past and known else past


def bounds_of(lengths: Sizes) -> PartRange:
    """Return the range of each of several series that follow each other, (series, 2)."""
    ends = np.cumsum(lengths)
    return np.column_stack([ends - lengths, ends])


def min_before_block(season: int | None) -> int:
    """Return the observations that a series must have before a block on which models are compared.

    On fewer, the models that need a season could not be compared with those that do not.
    """
    return max(MIN_BEFORE_BLOCK, 2 * (season or 0) + 1)


def reached(times: npt.NDArray[Any], bounds: PartRange, moments: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the position of the first time at or after each moment in each series, (series, moments).

    Times ascend within each series. The binary search takes one step in all series at once.
    """
    low, high = (np.repeat(edge[:, np.newaxis], len(moments), axis=1) for edge in bounds.T)
    while (searching := low < high).any():
        middle = (low + high) // 2
        before = searching & (times[np.minimum(middle, len(times) - 1)] < moments)
        low = np.where(before, middle + 1, low)
        high = np.where(searching & ~before, middle, high)
    return low

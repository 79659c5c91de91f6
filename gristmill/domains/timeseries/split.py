"""Split each series by time into training, validation and test set."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.dataset import PARTS, PartRange
from gristmill.domains.timeseries.settings import Preprocess
from gristmill.errors import DataError


def split(length: int, validation: float, test: float) -> dict[str, tuple[int, int]]:
    """Return the ranges of training, validation and test set.

    A size below 1 is a share of the series; otherwise it is a number of observations.

        >>> split(100, validation=0.2, test=10)
        {'train': (0, 70), 'validation': (70, 90), 'test': (90, 100)}
    """
    sizes = [max(1, round(size * length)) if 0 < size < 1 else int(size) for size in (validation, test)]
    ends = (length - sum(sizes), length - sizes[1], length)
    if ends[0] < 1:
        raise DataError(
            f"the series has {length} observations, but validation takes {sizes[0]} and test {sizes[1]}. "
            "Give it more rows, or set smaller parts in the table 'preprocess'."
        )
    return {"train": (0, ends[0]), "validation": (ends[0], ends[1]), "test": (ends[1], ends[2])}


def split_all(
    times: "pd.Series[Any]", lengths: npt.NDArray[np.int64], settings: Preprocess
) -> tuple[PartRange, PartRange]:
    """Return the range of each series, (series, 2), and of its parts, (series, 3, 2).

    All series are split at the same times, so that none is trained on a day on which another is tested.

    Times are those of all observations, series by series. Sizes of parts that are shares refer to the span from the
    first to the last time of all series.
    """
    ordered = np.sort(times.to_numpy(), kind="stable")  # fast, because each series is sorted already
    grid = ordered[np.append(True, ordered[1:] != ordered[:-1])]
    parts = split(len(grid), settings.validation, settings.test)
    starts = [grid[parts[part][0]] for part in PARTS[1:] if parts[part][0] < len(grid)]
    ends = np.cumsum(lengths)
    bounds = np.column_stack([ends - lengths, ends])
    cuts = reached(times.to_numpy(), bounds, np.array(starts))
    edges = np.column_stack([bounds[:, 0], cuts, bounds[:, 1]])  # (series, 4)
    return bounds, np.stack([edges[:, :-1], edges[:, 1:]], axis=-1)


def reached(times: npt.NDArray[Any], bounds: PartRange, moments: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the position of the first time at or after each moment in each series, (series, moments)."""
    return np.array([begin + np.searchsorted(times[begin:end], moments) for begin, end in bounds])

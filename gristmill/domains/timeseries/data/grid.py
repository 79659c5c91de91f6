"""Regular grids of series: their frequency, the grid point of each row, and the times after the last row.

A frequency is a pandas alias such as "MS" or "15min", or for numbered observations the difference between neighbours,
such as "1".
"""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.errors import DataError, count_of

Integers = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

_ROWS_PER_VOTE = 12  # number of consecutive rows that vote for a frequency
_MAX_VOTES = 1000  # votes taken, spread evenly over the rows
_MICROSECONDS_PER_DAY = 86_400_000_000
_MAX_EMPTY_PER_ROW = 20  # maximum of empty grid points per row if the frequency is set,
_EMPTY_IN_ANY_CASE = 10_000  # and of a few rows


class OffGrid(DataError):
    """Times are not on the grid; `rows` is true for theirs, (rows,)."""

    def __init__(self, message: str, rows: npt.NDArray[np.bool_]) -> None:
        super().__init__(message)
        self.rows = rows


@dataclass(frozen=True)
class Grid:
    """Points of the grids of all series, one series after the other."""

    times: pd.Index  # (points,)
    sizes: Integers  # (series,) points of each series
    slots: Integers  # (rows,) grid point of each row

    def spread(self, values: Values) -> Values:
        """Return the values of rows at their points, and NaN at all other points."""
        if len(values) == len(self.times):
            return values
        spread = np.full(len(self.times), np.nan)
        spread[self.slots] = values
        return spread


def infer_frequency(times: pd.Index, where: str, firsts: Integers | None = None) -> str:
    """Return the most common frequency of 12 consecutive rows; for numbers, the most common difference.

    Times are (rows,), ascending and without duplicates within a series; `firsts` has the position of each series' first
    row, None for a single series. `where` is the source's name in errors.

    Raises:
        DataError: there are too few rows, or no regular frequency is found.
    """
    firsts = np.zeros(1, np.int64) if firsts is None else firsts
    if isinstance(times, pd.DatetimeIndex):
        # Let up to 1000 runs of three or more rows vote, spread evenly; none crosses the end of a series.
        ends = np.append(firsts[1:], len(times))
        counts = np.maximum((ends - firsts) // _ROWS_PER_VOTE, 1)
        before = np.cumsum(counts) - counts
        chosen = np.unique(np.linspace(0, counts.sum() - 1, min(_MAX_VOTES, counts.sum())).astype(np.int64))
        series = np.searchsorted(before, chosen, side="right") - 1
        starts = firsts[series] + (chosen - before[series]) * _ROWS_PER_VOTE
        stops = np.minimum(starts + _ROWS_PER_VOTE, ends[series])
        runs = [times[start:stop] for start, stop in zip(starts, stops, strict=True) if stop - start > 2]
        with pd.option_context("future.infer_freq_returns_offset", True):
            offsets: list[Any] = list(map(pd.infer_freq, runs))
        votes = Counter(str(offset.freqstr) for offset in offsets if offset is not None)
    else:
        steps, counts = np.unique(np.delete(np.diff(times), firsts[1:] - 1), return_counts=True)
        votes = Counter(dict(zip(map(str, steps), counts, strict=True)))
    if votes:
        return votes.most_common(1)[0][0]
    longest = np.diff(firsts, append=len(times)).max()
    if longest < 3:
        raise DataError(
            f"{where}: {longest} rows are too few to infer a frequency. Set frequency in the table 'ingest'."
        )
    raise DataError(
        f"{where}: the times follow no regular frequency. "
        "Set frequency in the table 'ingest' (a pandas alias: 'D', 'MS', 'h')."
    )


def on_grid(times: pd.Index, firsts: Integers, frequency: str, inferred: bool, where: Callable[[int], str]) -> Grid:
    """Return the grid of each series from its first row to its last.

    Times and `firsts` are those of `infer_frequency`; `where` describes the row at a position in errors. If the
    frequency was inferred, a mostly empty grid is an error.

    Raises:
        DataError: the frequency is unknown, or a grid has too many points without a row.
        OffGrid: rows are not on the grid.
    """
    # Find the number of each row within the grid of its series.
    ruler = _ruler(times, frequency, where(0))
    rows = np.diff(firsts, append=len(times))
    numbers, rests = ruler.split(times)
    places, over = np.divmod(numbers - np.repeat(numbers[firsts], rows), ruler.step)
    off_grid = (over != 0) | (rests < 0) | (rests != np.repeat(rests[firsts], rows))
    if off_grid.any():
        first = int(off_grid.argmax())
        start = times[firsts[np.searchsorted(firsts, first, side="right") - 1]]
        begin = "" if start == times[first] else f" that starts at {start}"
        raise OffGrid(
            f"{where(first)}: {times[first]} is not on the grid of frequency {frequency}{begin} "
            f"({count_of(off_grid.sum(), 'such rows')}). Fix the times, or set frequency in the table 'ingest', or "
            "timezone if the clock changes with it.",
            off_grid,
        )

    # Refuse grids that are mostly empty.
    sizes = places[np.append(firsts[1:], len(times)) - 1] + 1
    empty = sizes - rows
    too_empty = empty > rows if inferred else empty > _MAX_EMPTY_PER_ROW * rows + _EMPTY_IN_ANY_CASE
    if too_empty.any():
        worst = int(too_empty.argmax())
        series = slice(firsts[worst], firsts[worst] + rows[worst])
        widest = int(firsts[worst] + np.diff(places[series]).argmax() + 1)
        raise DataError(
            f"{where(int(firsts[worst]))} begins a series in which {empty[worst]} of {sizes[worst]} times have no row "
            f"at frequency {frequency}: the times have several frequencies, or one is far off (the widest gap ends at "
            f"{times[widest]}, {where(widest)}). Fix them, set time_format if they were misread, or "
            f"{'set' if inferred else 'correct'} frequency in the table 'ingest'."
        )

    # List the points of all grids, one after the other.
    offsets = np.cumsum(sizes) - sizes
    steps = (np.arange(sizes.sum()) - np.repeat(offsets, sizes)) * ruler.step
    points = ruler.join(np.repeat(numbers[firsts], sizes) + steps, np.repeat(rests[firsts], sizes))
    whole = pd.DatetimeIndex(points.view("M8[us]")) if isinstance(times, pd.DatetimeIndex) else pd.Index(points)
    return Grid(whole, sizes, places + np.repeat(offsets, rows))


def after(last: Any, steps: int, frequency: str) -> pd.Index:
    """Return the next `steps` times of a grid after `last`, a timestamp or the number of an observation."""
    if isinstance(last, int | np.integer):
        return pd.Index(int(last) + int(frequency) * np.arange(1, steps + 1))
    times = pd.date_range(last, periods=steps + 1, freq=frequency).as_unit("us")
    return times[1:] if times[0] == last else times[:steps]


def positions(times: pd.Index, anchor: Any, frequency: str) -> Integers:
    """Return how many grid points each time is after `anchor`; negative before it."""
    whole = pd.Index([anchor]).append(times)
    whole = whole.as_unit("us") if isinstance(whole, pd.DatetimeIndex) else whole
    ruler = _ruler(whole, frequency, "positions")
    numbers, _ = ruler.split(whole)
    return np.asarray((numbers[1:] - numbers[0]) // ruler.step)


def is_finer_than_a_day(frequency: str) -> bool:
    """Return whether a grid may have several points on a day; False for an unknown frequency."""
    try:
        offset: Any = pd.tseries.frequencies.to_offset(frequency)
    except ValueError:
        return False
    return isinstance(offset, pd.offsets.Tick) and offset.nanos < _MICROSECONDS_PER_DAY * 1000


@dataclass(frozen=True)
class _Ruler:
    """Represent each time as a whole number of units and a rest within a unit.

    A unit has a fixed length, or begins at the times of a calendar (`marks`).
    """

    step: int  # units between two grid points
    unit: int  # microseconds; 1 for numbered observations
    marks: Integers | None = None  # microseconds at which calendar units begin

    def split(self, times: pd.Index) -> tuple[Integers, Integers]:
        """Return the number of each time and its rest; the rest is -1 if no unit begins on that day."""
        values = times.asi8 if isinstance(times, pd.DatetimeIndex) else times.to_numpy()
        numbers, rests = np.divmod(values, self.unit)
        if self.marks is not None:
            begins = values - rests
            numbers = np.searchsorted(self.marks, begins, side="right") - 1
            rests = np.where(self.marks[numbers] == begins, rests, -1)
        return numbers, rests

    def join(self, numbers: Integers, rests: Integers) -> Integers:
        """Return the times of numbers and rests."""
        return (numbers * self.unit if self.marks is None else self.marks[numbers]) + rests


def _ruler(times: pd.Index, frequency: str, where: str) -> _Ruler:
    if not isinstance(times, pd.DatetimeIndex):
        if not re.fullmatch(r"[1-9]\d*", frequency):
            raise _unknown(frequency, where, "not a whole number above 0", "a number, such as '1'")
        return _Ruler(int(frequency), 1)
    try:
        offset: Any = pd.tseries.frequencies.to_offset(frequency)
    except ValueError as error:
        raise _unknown(frequency, where, str(error).partition(". Failed")[0]) from None
    if offset.n < 1:
        raise _unknown(frequency, where, "not a step forward")
    if isinstance(offset, pd.offsets.Day):
        return _Ruler(offset.n, _MICROSECONDS_PER_DAY)
    if isinstance(offset, pd.offsets.Tick):
        if offset.base.nanos < 1000:
            raise _unknown(frequency, where, "finer than microseconds")
        return _Ruler(offset.n, offset.base.nanos // 1000)
    unit = 1 if isinstance(offset, pd.offsets.BusinessHour) else _MICROSECONDS_PER_DAY  # all other units begin at a day
    first = times.min().floor("us" if unit == 1 else "D")
    marks = pd.date_range(offset.base.rollback(first), times.max(), freq=offset.base).as_unit("us")
    return _Ruler(offset.n, unit, marks.asi8)


def _unknown(frequency: str, where: str, reason: str, expected: str = "a pandas alias: 'D', 'MS', 'h'") -> DataError:
    return DataError(f"{where}: frequency {frequency!r} in the table 'ingest': {reason}. Expected {expected}.")

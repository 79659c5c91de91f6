"""Cleaning: cut each series to where its targets have values, and fill, drop or reject gaps.

The functions that fill take the values of one column on the grids of all series in sequence, with NaN for gaps, and the
number of each point's series. No value is used for another series. A gap at the start or the end of a series takes the
nearest value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries.dedup_and_sort import Observations
from gristmill.domains.timeseries.seasonality import find_season
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError

Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

SEASONS_AVERAGED = 3  # earlier seasons whose mean fills a gap
MAX_SEASONS_BACK = 10  # maximum distance of these seasons from the gap, in seasons


@dataclass(frozen=True)
class CleanSeries:
    """Series without gaps."""

    series: Observations  # up to the last value of the targets
    filled: Mask  # (rows,) rows of `series` with a filled value
    future: Observations  # later rows that have values of the known columns
    dropped: int  # rows dropped because of a gap
    empty: int  # grid points before the first and after the last value
    missing: dict[str, int]  # values of each column that `series` had to have and did not


def clean(whole: Observations, ingest: Ingest, frequency: str, source: str) -> CleanSeries:
    """Return each series without gaps, from the first to the last row at which all targets are available.

    Frequency and source are named in errors. `DataError` is raised if a column has no values in a series, or has gaps
    where they are not allowed.
    """
    cut, inside = _cut(whole, ingest, source)
    required = {column: inside | (column in ingest.known) for column in cut.columns}  # rows that must have a value
    gaps = {column: np.isnan(values) & required[column] for column, values in cut.columns.items()}
    broken = np.logical_or.reduce(list(gaps.values()))
    if ingest.gaps == "error" and broken.any():
        column = next(name for name, missing in gaps.items() if missing.any())
        first = int(gaps[column].argmax())
        raise DataError(
            f"{source}: {gaps[column].sum()} of {required[column].sum()} values of {column!r} are missing at frequency "
            f"{frequency}, the first at {cut.times[first]}{cut.of_series(cut.series[first])}. Complete the file, set "
            "time_format if the times were misread, or set gaps = 'interpolate' in the table 'ingest'."
        )
    kept = ~broken if ingest.gaps == "drop" else np.ones_like(broken)
    filled = replace(cut, columns={name: _fill(cut, name, required[name], ingest.gaps) for name in cut.columns})
    series = filled.kept(inside & kept)
    lost = np.bincount(series.series, minlength=len(series.ids)) == 0
    if lost.any():
        raise DataError(
            f"{source}: no row{series.of_series(int(lost.argmax()))} has all values, so gaps = 'drop' leaves none. "
            "Fill the gaps instead, or remove a column from the table 'ingest'."
        )
    return CleanSeries(
        series,
        filled=broken[inside & kept],
        future=filled.kept(~inside & kept),
        dropped=int((inside & ~kept).sum()),
        empty=len(whole.times) - len(cut.times),
        missing={column: int((gap & inside).sum()) for column, gap in gaps.items()},
    )


def _cut(whole: Observations, ingest: Ingest, source: str) -> tuple[Observations, Mask]:
    """Return the rows that have values of targets or later known columns, and a mask of rows within the targets."""
    begin, end = _span(whole, ingest.target, source)
    reach = np.maximum(end, _span(whole, ingest.known, source)[1]) if ingest.known else end
    rows = np.arange(len(whole.times))
    within = (rows >= begin[whole.series]) & (rows < reach[whole.series])
    inside = rows < end[whole.series]
    if ingest.inputs:  # raises for an empty input
        _span(whole.kept(within & inside), ingest.inputs, source)
    return whole.kept(within), inside[within]


def _span(rows: Observations, columns: Sequence[str], source: str) -> tuple[Integers, Integers]:
    """Return the range of rows in which all columns are available, for each series."""
    firsts = rows.firsts
    ends = np.append(firsts[1:], len(rows.series))
    begin, end = firsts, ends
    for column in columns:
        present = np.flatnonzero(~np.isnan(rows.columns[column]))
        at, behind = np.searchsorted(present, firsts), np.searchsorted(present, ends)
        if (empty := at == behind).any():
            number = int(empty.argmax())
            raise DataError(
                f"{source}: all {ends[number] - firsts[number]} values of {column!r}{rows.of_series(number)} are "
                "missing. Check the column, or leave out the column or the series."
            )
        begin, end = np.maximum(begin, present[at]), np.minimum(end, present[behind - 1] + 1)
    if (disjoint := begin >= end).any():
        raise DataError(
            f"{source}: the columns {', '.join(map(repr, columns))}{rows.of_series(int(disjoint.argmax()))} "
            "have no values at the same times. Use a separate pipeline for each."
        )
    return begin, end


def _fill(rows: Observations, column: str, required: Mask, policy: str) -> Values:
    """Return the values of a column, filled in the rows that must have a value."""
    values = rows.columns[column]
    if policy not in FILLERS or not np.isnan(values[required]).any():
        return values
    return _filled(values, required, FILLERS[policy](values[required], rows.series[required]))


def interpolate(values: Values, series: Integers) -> Values:
    """Return the values with gaps filled by straight lines."""
    missing, left, right = _neighbours(values, series)
    before, after = values[left], values[right]
    share = np.divide(missing - left, right - left, out=np.zeros(len(missing)), where=right > left)
    return _filled(values, missing, before + (after - before) * share)


def forward_fill(values: Values, series: Integers) -> Values:
    """Return the values with each gap filled by the last value before it."""
    missing, left, _ = _neighbours(values, series)
    return _filled(values, missing, values[left])


def seasonal(values: Values, series: Integers) -> Values:
    """Return the values with gaps filled by the shape of earlier seasons, or by straight lines without a season.

    The shape is the mean of up to three earlier seasons that are complete there; later seasons would leak the future
    into a window. Its differences from the values at both ends of the gap are corrected by a straight line.
    """
    filled = interpolate(values, series)
    for number in np.unique(series[np.isnan(values)]):
        of_series = slice(*np.searchsorted(series, (number, number + 1)))
        if season := find_season(filled[of_series]):
            filled[of_series] = _in_season(values[of_series], filled[of_series], season)
    return filled


def _in_season(values: Values, straight: Values, season: int) -> Values:
    """Return the values of one series with gaps in season, or on the straight line if no earlier season is complete."""
    filled = straight.copy()
    edges = np.flatnonzero(np.diff(np.isnan(values)))  # alternating: the point before a gap and its last point
    edges = edges[1:] if np.isnan(values[0]) else edges
    for before, last in zip(edges[::2], edges[1::2], strict=False):
        if (shape := _shape(values, before, last + 2, season)) is not None:
            misses = values[before] - shape[0], values[last + 1] - shape[-1]
            filled[before : last + 2] = shape + np.linspace(*misses, len(shape))
    return filled


def _shape(values: Values, start: int, stop: int, season: int) -> Values | None:
    """Return the mean of the nearest complete ranges that are whole seasons before `start` to `stop`."""
    starts = [start - season * count for count in range(1, MAX_SEASONS_BACK + 1)]
    ranges = [values[at : at + stop - start] for at in starts if at >= 0]
    complete = [part for part in ranges if not np.isnan(part).any()][:SEASONS_AVERAGED]
    return np.asarray(np.mean(complete, axis=0)) if complete else None


def _neighbours(values: Values, series: Integers) -> tuple[Integers, Integers, Integers]:
    """Return the missing points and, for each, the nearest points of its series with a value before and after it.

    If one side has none, the point of the other side is used for both; if neither has, the missing point itself.
    """
    missing, present = np.flatnonzero(np.isnan(values)), np.flatnonzero(~np.isnan(values))
    if not len(present):
        return missing, missing, missing
    at = np.searchsorted(present, missing)
    left, right = present[np.maximum(at - 1, 0)], present[np.minimum(at, len(present) - 1)]
    has_left = (left < missing) & (series[left] == series[missing])
    has_right = (right > missing) & (series[right] == series[missing])
    other = np.where(has_right, right, missing)
    left = np.where(has_left, left, other)
    return missing, left, np.where(has_right, right, left)


def _filled(values: Values, missing: Integers | Mask, replacements: Values) -> Values:
    filled = values.copy()
    filled[missing] = replacements
    return filled


FILLERS = {"interpolate": interpolate, "forward_fill": forward_fill, "seasonal": seasonal}
"""Function of each policy."""

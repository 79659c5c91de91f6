"""Cleaning: sort rows, keep one for each time, cut each series to where its targets have values, and treat gaps.

Gaps are filled, dropped or rejected. The functions that fill take the values of one column on the grids of all series
in sequence, with NaN for gaps, and the number of each point's series. No value is used for another series. A gap at the
start or the end of a series takes the nearest value.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.patterns.seasonality import find_season
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError, count_of
from gristmill.sources.rows import Rows, UnusableRows

Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

NAME_SEPARATOR = " / "  # between the names of several columns that name a series together
SEASONS_AVERAGED = 3  # earlier seasons whose mean fills a gap
MAX_SEASONS_BACK = 10  # maximum distance of these seasons from the gap, in seasons


@dataclass(frozen=True)
class Observations:
    """Values of all series; after `in_order` they are ordered by series and time."""

    ids: pd.Index  # (series,) names, sorted
    series: npt.NDArray[np.signedinteger]  # (rows,) number of each row's series
    times: pd.Index  # (rows,)
    columns: dict[str, Values]  # (rows,) each
    positions: Integers = field(default_factory=lambda: np.empty(0, np.int64))  # (rows,) in the source; empty on a grid
    several: bool = False  # whether there are other series

    @property
    def firsts(self) -> Integers:
        """Position of the first row of each series."""
        return np.searchsorted(self.series, np.arange(len(self.ids)))

    def at(self, rows: Integers | Mask) -> "Observations":
        """Return the rows at these positions, or where a mask is true."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        positions = self.positions[rows] if len(self.positions) else self.positions
        return replace(self, series=self.series[rows], times=self.times[rows], columns=columns, positions=positions)

    def kept(self, rows: Mask) -> "Observations":
        """Return the rows for which `rows` is true."""
        return self if rows.all() else self.at(rows)

    def of_series(self, number: int) -> str:
        """Return ` of series 'A'` if there are several series, else an empty string."""
        return f" of series {self.ids[number]!r}" if self.several or len(self.ids) > 1 else ""


def number_series(rows: Rows, columns: Sequence[str], otherwise: str) -> tuple[npt.NDArray[np.int32], pd.Index]:
    """Return the number of each row's series, and the sorted names of all series.

    The columns have the names, as text or whole numbers; the names of several columns are joined. Without a column
    there is a single series, whose name is `otherwise`. An empty cell raises `DataError`.
    """
    if not columns:
        return np.zeros(len(rows.frame), np.int32), pd.Index([otherwise])

    # Refuse rows without a name.
    for column in columns:
        empty = rows.frame[column].isna().to_numpy()
        if empty.any():
            reason = f"column {column!r}: an empty cell, so the row belongs to no series"
            where = f"{rows.where(int(empty.argmax()))}, {reason} ({count_of(empty.sum(), 'such cells')})"
            remedy = "Fix it, or name another column as series in the table 'ingest'."
            raise rows.unusable(empty, f"{where}. {remedy}", reason)

    # Join the names of several columns.
    cells = rows.frame[columns[0]]
    if len(columns) > 1:
        frame = rows.frame[list(columns)].astype("str")
        cells = frame[columns[0]].str.cat(frame[[*columns[1:]]], sep=NAME_SEPARATOR)
        if len(frame.drop_duplicates()) > cells.nunique():
            raise DataError(
                f"{rows.name}: names in {', '.join(map(repr, columns))} contain {NAME_SEPARATOR!r}, which joins them, "
                "so two series would have the same name. Replace it in the names."
            )

    # Number the names in sorted order.
    numbers, names = pd.factorize(cells)
    ids = pd.Index(names).astype("str")
    order = np.argsort(ids.to_numpy(object))
    return np.argsort(order).astype(np.int32)[numbers], ids[order]


def in_order(rows: Observations) -> tuple[Observations, int]:
    """Return the rows sorted by series and time, and how many rows came after a later one in the source.

    Rows of equal times keep their order.
    """
    order = np.argsort(rows.series, kind="stable")
    backwards = _steps(rows.times[order], rows.series[order]) < 0
    if backwards.any():
        order = np.lexsort((rows.times.to_numpy(), rows.series))
    return rows.at(order), int(backwards.sum())


def without_duplicates(rows: Observations, policy: str, source: Rows) -> Observations:
    """Return one row for each time of a series.

    The policy is the row to keep: the first or the last in the source, or the mean of all without empty cells; `error`
    raises `UnusableRows` for duplicates of the `source`: all but the first of rows with equal values, and all rows with
    different values.
    """
    again = _steps(rows.times, rows.series) == 0
    if not again.any():
        return rows
    if policy == "error":
        raise _duplicates(rows, again, source)
    kept = np.append(~again, True) if policy == "last" else np.append(True, ~again)
    single = rows.kept(kept)
    if policy != "mean":
        return single

    # Take the mean of the rows of one time without missing values; NaN if all of them are missing.
    starts, means = np.flatnonzero(kept), {}
    for name, values in rows.columns.items():
        present = ~np.isnan(values)
        counts = np.add.reduceat(present.astype(np.int64), starts)
        sums = np.add.reduceat(np.where(present, values, 0.0), starts)
        means[name] = np.divide(sums, counts, out=np.full(len(starts), np.nan), where=counts > 0)
    return replace(single, columns=means)


def _duplicates(rows: Observations, again: Mask, source: Rows) -> UnusableRows:
    """Return the error for rows with equal times; `again` is true where the next row has the same time."""
    # Name the first two rows of equal time.
    second = int(again.argmax()) + 1
    message = (
        f"{source.where(*sorted(rows.positions[second - 1 : second + 1]))}: both are {rows.times[second]}"
        f"{rows.of_series(rows.series[second])} ({count_of(again.sum(), 'duplicates')}). "
        "Keep one row for each time, or set duplicates in the table 'ingest' to the row that counts."
    )

    # Find the rows that repeat a time, and the times at which rows have different values.
    repeated = np.append(False, again)
    starts = np.flatnonzero(~repeated)
    firsts = np.repeat(starts, np.diff(starts, append=len(repeated)))
    values = np.array([*rows.columns.values()])
    differs = ~np.isclose(values, values[:, firsts], rtol=0, atol=0, equal_nan=True).all(axis=0)
    contradicted = np.logical_or.reduceat(differs, starts)[np.searchsorted(starts, firsts)]

    # Mark them in the order of the source.
    bad, differing = (np.zeros(len(source.frame), bool) for _ in range(2))
    bad[rows.positions] = repeated | contradicted
    differing[rows.positions] = contradicted
    return source.unusable(
        bad, message, lambda row: "another row of that time has other values" if differing[row] else "repeated row"
    )


def _steps(times: pd.Index, series: Integers) -> Integers:
    """Return the difference from each time to the next; 1 between two series."""
    values = times.asi8 if isinstance(times, pd.DatetimeIndex) else times.to_numpy()
    return np.where(np.diff(series) == 0, np.diff(values), 1)


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
    # Cut each series to where its targets have values, and known columns reach at least as far.
    begin, end = _span(whole, ingest.target, source)
    reach = np.maximum(end, _span(whole, ingest.known, source)[1]) if ingest.known else end
    rows = np.arange(len(whole.times))
    within = (rows >= begin[whole.series]) & (rows < reach[whole.series])
    has_target = rows < end[whole.series]
    if ingest.inputs:  # raises for an empty input
        _span(whole.kept(within & has_target), ingest.inputs, source)
    cut, inside = whole.kept(within), has_target[within]

    # Find the gaps, which are missing values in rows that must have one.
    required = {column: inside | (column in ingest.known) for column in cut.columns}
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

    # Fill the gaps, or drop their rows.
    columns = dict(cut.columns)
    fill = FILLERS.get(ingest.gaps)
    for column, must in required.items():
        if fill and gaps[column].any():
            columns[column] = _filled(columns[column], must, fill(columns[column][must], cut.series[must]))
    filled = replace(cut, columns=columns)
    kept = ~broken if ingest.gaps == "drop" else np.ones_like(broken)
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


def _span(rows: Observations, columns: Sequence[str], source: str) -> tuple[Integers, Integers]:
    """Return the range of rows in which all columns are available, for each series."""
    firsts = rows.firsts
    ends = np.append(firsts[1:], len(rows.series))
    begin, end = firsts, ends
    for column in columns:
        present = np.flatnonzero(~np.isnan(rows.columns[column]))
        at = np.searchsorted(present, firsts)
        behind = np.searchsorted(present, ends)
        empty = at == behind
        if empty.any():
            number = int(empty.argmax())
            raise DataError(
                f"{source}: all {ends[number] - firsts[number]} values of {column!r}{rows.of_series(number)} are "
                "missing. Check the column, or leave out the column or the series."
            )
        begin = np.maximum(begin, present[at])
        end = np.minimum(end, present[behind - 1] + 1)
    disjoint = begin >= end
    if disjoint.any():
        raise DataError(
            f"{source}: the columns {', '.join(map(repr, columns))}{rows.of_series(int(disjoint.argmax()))} "
            "have no values at the same times. Use a separate pipeline for each."
        )
    return begin, end


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
        earlier = [before - season * count for count in range(1, MAX_SEASONS_BACK + 1)]
        ranges = [values[start : start + last + 2 - before] for start in earlier if start >= 0]
        complete = [part for part in ranges if not np.isnan(part).any()][:SEASONS_AVERAGED]
        if complete:
            shape = np.mean(complete, axis=0)
            misses = values[before] - shape[0], values[last + 1] - shape[-1]
            filled[before : last + 2] = shape + np.linspace(*misses, len(shape))
    return filled


def _neighbours(values: Values, series: Integers) -> tuple[Integers, Integers, Integers]:
    """Return the missing points and, for each, the nearest points of its series with a value before and after it.

    If one side has none, the point of the other side is used for both; if neither has, the missing point itself.
    """
    missing = np.flatnonzero(np.isnan(values))
    present = np.flatnonzero(~np.isnan(values))
    if not len(present):
        return missing, missing, missing
    at = np.searchsorted(present, missing)
    left = present[np.maximum(at - 1, 0)]
    right = present[np.minimum(at, len(present) - 1)]
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

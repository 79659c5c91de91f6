"""Cleaning: cut each series to where its targets have values, and fill, drop or reject gaps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries.dedup_and_sort import Integers, Observations
from gristmill.domains.timeseries.fill_gaps import FILLERS
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError

Mask = npt.NDArray[np.bool_]


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
    filled = replace(cut, columns={name: _filled(cut, name, required[name], ingest.gaps) for name in cut.columns})
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


def _filled(rows: Observations, column: str, required: Mask, policy: str) -> npt.NDArray[np.float64]:
    """Return the values of a column, filled in the rows that must have a value."""
    values = rows.columns[column]
    if policy not in FILLERS or not np.isnan(values[required]).any():
        return values
    filled = values.copy()
    filled[required] = FILLERS[policy](values[required], rows.series[required])
    return filled

"""Series cut to where their targets have values; the holes that remain refused, filled or left out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.domains.timeseries.dedup_and_sort import Integers, Observations
from gristmill.domains.timeseries.fill_gaps import FILLERS
from gristmill.domains.timeseries.fill_gaps_score import score
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Mended:
    """Series without holes."""

    series: Observations  # up to the last value of the targets
    filled: Mask  # (rows,) of the series: a value of the row was filled in
    future: Observations  # the rows after that in which the columns known ahead have values
    dropped: int  # points of the series that were left out
    empty: int  # points before and behind the values
    imputation: dict[str, Any] | None  # how well the holes of each target are filled


def mend(whole: Observations, ingest: Ingest, frequency: str, source: str) -> Mended:
    """Return each series from where the last of its targets begins to where the first of them ends, without holes.

    Args:
        whole: the series on their grids, NaN for holes.
        ingest: which columns are targets, inputs and known ahead, and what to do about holes.
        frequency: of the grids, for an error.
        source: its name, for an error.

    Raises:
        DataError: a column without values in a series, or holes where they are not allowed.
    """
    cut, inside = _cut(whole, ingest, source)
    known = {column: inside | (column in ingest.known) for column in cut.columns}  # where it must have a value
    holes = {column: np.isnan(values) & known[column] for column, values in cut.columns.items()}
    broken = np.logical_or.reduce(list(holes.values()))
    if ingest.gaps == "error" and broken.any():
        raise _has_holes(cut, holes, known, frequency, source)
    kept = ~broken if ingest.gaps == "drop" else np.ones_like(broken)
    mended = replace(cut, columns={column: _filled(cut, column, known[column], ingest.gaps) for column in cut.columns})
    scored = ingest.gaps in FILLERS and (broken.any() or ingest.gaps == "seasonal")
    series = mended.kept(inside & kept)
    _refuse_lost(series, source)
    return Mended(
        series,
        filled=broken[inside & kept],
        future=mended.kept(~inside & kept),
        dropped=int((inside & ~kept).sum()),
        empty=len(whole.times) - len(cut.times),
        imputation=_scores(cut.kept(inside), ingest.target) if scored else None,
    )


def _cut(whole: Observations, ingest: Ingest, source: str) -> tuple[Observations, Mask]:
    """Return the points at which targets have values and those after that are known ahead, and which are the first."""
    begin, end = _span(whole, ingest.target, source)
    reach = np.maximum(end, _span(whole, ingest.known, source)[1]) if ingest.known else end
    points = np.arange(len(whole.times))
    within = (points >= begin[whole.series]) & (points < reach[whole.series])
    inside = points < end[whole.series]
    cut = whole.kept(within)
    if ingest.inputs:  # to tell of one that is empty
        _span(whole.kept(within & inside), ingest.inputs, source)
    return cut, inside[within]


def _span(rows: Observations, columns: Sequence[str], source: str) -> tuple[Integers, Integers]:
    """Return for each series the first row of the column that begins last, and the one behind that which ends first."""
    firsts = rows.firsts
    ends = np.append(firsts[1:], len(rows.series))
    begin, end = firsts, ends
    for column in columns:
        there = np.flatnonzero(~np.isnan(rows.columns[column]))
        at, behind = np.searchsorted(there, firsts), np.searchsorted(there, ends)
        if (empty := at == behind).any():
            number = int(empty.argmax())
            raise DataError(
                f"{source}: all {ends[number] - firsts[number]} values of {column!r}{rows.of_series(number)} are "
                "missing. Check the column, or leave it, or the series, out."
            )
        begin, end = np.maximum(begin, there[at]), np.minimum(end, there[behind - 1] + 1)
    if (apart := begin >= end).any():
        raise DataError(
            f"{source}: the columns {', '.join(map(repr, columns))}{rows.of_series(int(apart.argmax()))} "
            "have no values at the same times. Make pipelines of their own for them."
        )
    return begin, end


def _has_holes(
    cut: Observations, holes: dict[str, Mask], known: dict[str, Mask], frequency: str, source: str
) -> DataError:
    """Return the error that tells of the first column with holes."""
    column = next(name for name, missing in holes.items() if missing.any())
    first = int(holes[column].argmax())
    return DataError(
        f"{source}: {holes[column].sum()} of {known[column].sum()} values of {column!r} are missing at frequency "
        f"{frequency}, the first at {cut.times[first]}{cut.of_series(cut.series[first])}. Complete the file, set "
        "time_format if the times were misread, or set gaps = 'interpolate' in the table 'ingest'."
    )


def _filled(rows: Observations, column: str, known: Mask, policy: str) -> npt.NDArray[np.float64]:
    """Return a column's values, filled where they must be known."""
    values = rows.columns[column]
    if policy not in FILLERS or not np.isnan(values[known]).any():
        return values
    filled = values.copy()
    filled[known] = FILLERS[policy](values[known], rows.series[known])
    return filled


def _refuse_lost(series: Observations, source: str) -> None:
    lost = np.bincount(series.series, minlength=len(series.ids)) == 0
    if lost.any():
        raise DataError(
            f"{source}: no row{series.of_series(int(lost.argmax()))} has all values, so gaps = 'drop' leaves none. "
            "Fill the holes instead, or leave a column out of the table 'ingest'."
        )


def _scores(rows: Observations, targets: Sequence[str]) -> dict[str, Any] | None:
    found = {target: scores for target in targets if (scores := score(rows.columns[target], rows.series))}
    return found or None

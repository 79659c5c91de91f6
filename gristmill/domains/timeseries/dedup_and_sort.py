"""Sort rows by series and time, and keep one row for each time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.errors import DataError, count_of
from gristmill.sources.rows import Rows, UnusableRows

Integers = npt.NDArray[np.int64]
NAME_SEPARATOR = " / "  # between the names of several columns that name a series together
Columns = dict[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Observations:
    """Values of all series, ordered by series and time."""

    ids: pd.Index  # (series,) names, sorted
    series: Integers  # (rows,) number of each row's series, ascending
    times: pd.Index  # (rows,) ascending within a series
    columns: Columns  # (rows,) each
    positions: Integers = field(default_factory=lambda: np.empty(0, np.int64))  # (rows,) in the source; empty on a grid
    several: bool = False  # whether there are other series

    @property
    def firsts(self) -> Integers:
        """Position of the first row of each series."""
        return np.searchsorted(self.series, np.arange(len(self.ids)))

    def kept(self, rows: npt.NDArray[np.bool_]) -> "Observations":
        """Return the rows for which `rows` is true."""
        if rows.all():
            return self
        return replace(
            self,
            series=self.series[rows],
            times=self.times[rows],
            columns={name: values[rows] for name, values in self.columns.items()},
            positions=self.positions[rows] if len(self.positions) else self.positions,
        )

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
    for column in columns:
        _check_not_empty(rows, column)
    cells = rows.frame[columns[0]] if len(columns) == 1 else _joined(rows, columns)
    numbers, names = pd.factorize(cells)
    ids = pd.Index(names).astype("str")
    order = np.argsort(ids.to_numpy(object))
    return np.argsort(order).astype(np.int32)[numbers], ids[order]


def _joined(rows: Rows, columns: Sequence[str]) -> "pd.Series[str]":
    """Return the names of several columns as one; raise `DataError` if two series would have the same name."""
    frame = rows.frame[list(columns)].astype("str")
    joined = frame[columns[0]].str.cat(frame[[*columns[1:]]], sep=NAME_SEPARATOR)
    if len(frame.drop_duplicates()) > joined.nunique():
        raise DataError(
            f"{rows.name}: names in {', '.join(map(repr, columns))} contain {NAME_SEPARATOR!r}, which joins them, so "
            "two series would have the same name. Replace it in the names."
        )
    return joined


def _check_not_empty(rows: Rows, column: str) -> None:
    empty = rows.frame[column].isna().to_numpy()
    if empty.any():
        reason = f"column {column!r}: an empty cell, so the row belongs to no series"
        raise rows.unusable(
            empty,
            f"{rows.where(int(empty.argmax()))}, {reason} ({count_of(empty.sum(), 'such cells')}). Fix it, or name "
            "another column as series in the table 'ingest'.",
            reason,
        )


def in_order(times: pd.Index, series: Integers, ids: pd.Index, columns: Columns) -> tuple[Observations, int]:
    """Return the rows sorted by series and time, and how many rows came after a later one in the source.

    Rows of equal times keep their order.
    """
    order = np.argsort(series, kind="stable")
    backwards = _steps(times[order], series[order]) < 0
    if backwards.any():
        order = np.lexsort((times.to_numpy(), series))
    sorted_columns = {name: values[order] for name, values in columns.items()}
    return Observations(ids, series[order], times[order], sorted_columns, order), int(backwards.sum())


def without_duplicates(
    rows: Observations, policy: Literal["error", "first", "last", "mean"], source: Rows
) -> Observations:
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
    if policy == "mean":
        starts = np.flatnonzero(kept)
        return replace(single, columns={name: _means(values, starts) for name, values in rows.columns.items()})
    return single


def _duplicates(rows: Observations, again: npt.NDArray[np.bool_], source: Rows) -> UnusableRows:
    """Return the error for rows with equal times; `again` is true where the next row has the same time."""
    second = int(again.argmax()) + 1
    message = (
        f"{source.where(*sorted(rows.positions[second - 1 : second + 1]))}: both are {rows.times[second]}"
        f"{rows.of_series(rows.series[second])} ({count_of(again.sum(), 'duplicates')}). "
        "Keep one row for each time, or set duplicates in the table 'ingest' to the row that counts."
    )
    repeated = np.append(False, again)
    starts = np.flatnonzero(~repeated)
    firsts = np.repeat(starts, np.diff(starts, append=len(repeated)))
    values = np.array([*rows.columns.values()])
    differs = ~np.isclose(values, values[:, firsts], rtol=0, atol=0, equal_nan=True).all(axis=0)
    contradicted = np.logical_or.reduceat(differs, starts)[np.searchsorted(starts, firsts)]
    bad, differing = np.zeros(len(source.frame), bool), np.zeros(len(source.frame), bool)
    bad[rows.positions] = repeated | contradicted
    differing[rows.positions] = contradicted
    return source.unusable(
        bad, message, lambda row: "another row of that time has other values" if differing[row] else "repeated row"
    )


def _steps(times: pd.Index, series: Integers) -> Integers:
    """Return the difference from each time to the next; 1 between two series."""
    values = times.asi8 if isinstance(times, pd.DatetimeIndex) else times.to_numpy()
    return np.where(np.diff(series) == 0, np.diff(values), 1)


def _means(values: npt.NDArray[np.float64], starts: Integers) -> npt.NDArray[np.float64]:
    """Return the mean of each group of rows without missing values; NaN if all values of a group are missing."""
    present = ~np.isnan(values)
    counts = np.add.reduceat(present.astype(np.int64), starts)
    sums = np.add.reduceat(np.where(present, values, 0.0), starts)
    return np.asarray(np.divide(sums, counts, out=np.full(len(starts), np.nan), where=counts > 0))

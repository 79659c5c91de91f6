"""Several series in one table: which column names them where times repeat."""

import itertools
from typing import Any

import pandas as pd

from gristmill.errors import DataError
from gristmill.scaffold.column import Column
from gristmill.scaffold.table import SampledTable
from gristmill.scaffold.time_columns import Clock

_REPEATED = 0.05  # of the rows: so many may have the time of another, and are averaged
_ROWS = 3  # that a series has on average, at least
_COVERED = 0.1  # of the times: fewer that a series has on average are values that are seldom alike


def series_of(table: SampledTable, clock: Clock, target: str | None) -> Column | None:
    """Return the column that names the series, by which fewest times repeat; None where there is one series.

    Args:
        table: the columns.
        clock: the times.
        target: the column that was asked for, which names nothing.

    Raises:
        DataError: times repeat too often to be averaged away, and no one column tells the series apart.
    """
    times = pd.Series(clock.times)
    repeated = times.duplicated().mean()
    if not repeated:
        return None
    most = _most_series(times)
    candidates = [
        column
        for column in table.columns.values()
        if column.name not in (*clock.columns, target) and not column.useless and _names_series(column, most)
    ]
    left = {column: _repeated_within(times, column) for column in candidates}
    best = min(candidates, key=lambda column: (left[column], column.numbers is not None, column.distinct), default=None)
    if best and left[best] < min(_REPEATED, repeated):
        return best
    if repeated > _REPEATED:
        called = " and ".join(map(repr, clock.columns))
        told = f"{times.duplicated().sum():,} of {len(times):,} rows repeat a time of {called}"
        raise DataError(f"{table.rows.name}: {told}, and {_remedy(times, candidates)}")
    return None


def names_in(table: SampledTable, series: Column) -> set[str]:
    """Return the columns that name the series or say something of it: each holds one value in each series."""
    names = series.cells.to_numpy()
    return {
        column.name
        for column in table.columns.values()
        if (column.cells.groupby(names).nunique(dropna=False) == 1).all()
    }


def _most_series(times: "pd.Series[Any]") -> float:
    """Return how many series there can be, if each has some of the times."""
    return len(times) / max(_ROWS, _COVERED * times.nunique())


def _names_series(column: Column, most: float) -> bool:
    """Whether its cells can be names: text, or whole numbers, each again and again."""
    whole = column.numbers is None or column.cells.astype("str").str.fullmatch(r"-?\d+").all()
    plain = not column.empty and column.cells.dtype.kind != "M"
    return bool(whole) and plain and column.distinct <= most


def _repeated_within(times: "pd.Series[Any]", *names: Column) -> float:
    """Return the share of rows with the time of another whose cells are the same."""
    cells = {str(at): column.cells.to_numpy() for at, column in enumerate(names)}
    return float(pd.DataFrame({"time": times} | cells).duplicated().mean())


def _remedy(times: "pd.Series[Any]", candidates: list[Column]) -> str:
    """Return which two columns name the series together, or that none do."""
    pairs = itertools.combinations(candidates, 2)
    left = {pair: _repeated_within(times, *pair) for pair in pairs if _together(*pair) <= _most_series(times)}
    best = min(left, key=lambda pair: (left[pair], _together(*pair)), default=None)
    if best and left[best] < _REPEATED:
        one, other = (column.name for column in best)
        joined = f"frame[{one!r}].astype(str) + ' ' + frame[{other!r}].astype(str)"
        return (
            f"only {one!r} and {other!r} together tell the series apart. Join them into one column (pandas: "
            f"frame['series'] = {joined})."
        )
    return (
        "neither one column nor two tell series apart: these are no series of times. Keep one row for each time, add a "
        "column that names the series, or take --domain tabular."
    )


def _together(one: Column, other: Column) -> int:
    """Return how many different cells two columns hold together."""
    return len(pd.DataFrame({"one": one.cells, "other": other.cells}).drop_duplicates())

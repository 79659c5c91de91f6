"""Choice of the column that names the series of a table whose times repeat."""

import itertools
from typing import Any

import pandas as pd

from gristmill.errors import DataError
from gristmill.scaffold.column import SampledColumn
from gristmill.scaffold.table import SampledTable
from gristmill.scaffold.time_columns import TimeColumns

_MAX_REPEATED_SHARE = 0.05  # maximum share of rows that repeat a time and are averaged
_MIN_ROWS_PER_SERIES = 3  # on average
_MIN_TIMES_SHARE = 0.1  # minimum share of times per series on average; below it, the cells are values, not names


def choose_series(
    table: SampledTable, times: TimeColumns, target: str | None, requested: str | None = None
) -> SampledColumn | None:
    """Return the requested column, or the one that separates the times best (fewest repeats); None for one series.

    Raises:
        DataError: too many times repeat to be averaged, and the requested column, or any single one, does not separate
            the series.
    """
    stamps = pd.Series(times.values)
    if requested is not None:
        return _requested(table, times, target, requested)
    repeated = stamps.duplicated().mean()
    if not repeated:
        return None
    max_series = len(stamps) / max(_MIN_ROWS_PER_SERIES, _MIN_TIMES_SHARE * stamps.nunique())
    candidates = [
        column
        for column in table.columns.values()
        if column.name not in (*times.columns, target) and not column.why_useless and _holds_names(column, max_series)
    ]
    left = {column: _repeated_share(stamps, column) for column in candidates}
    best = min(candidates, key=lambda column: (left[column], column.numbers is not None, column.distinct), default=None)
    if best and left[best] < min(_MAX_REPEATED_SHARE, repeated):
        return best
    if repeated > _MAX_REPEATED_SHARE:
        names = " and ".join(map(repr, times.columns))
        rows = f"{stamps.duplicated().sum():,} of {len(stamps):,} rows repeat a time of {names}"
        raise DataError(f"{table.rows.name}: {rows}, and {_remedy(stamps, candidates, max_series)}")
    return None


def _requested(table: SampledTable, times: TimeColumns, target: str | None, name: str) -> SampledColumn:
    """Return the column that the user named; raise `DataError` if it cannot name the series."""
    column = table.column(name)
    if name in (*times.columns, target) or column.empty:
        reason = f"has {column.empty:,} empty cells" if column.empty else "holds the times or the target"
        raise DataError(f"{table.rows.name}: the column {name!r} {reason}. Name another one with --series.")
    if (repeated := _repeated_share(pd.Series(times.values), column)) > _MAX_REPEATED_SHARE:
        raise DataError(
            f"{table.rows.name}: {repeated:.0%} of the rows repeat a time of their series in the column {name!r}. "
            "Name another one with --series, or leave one row for each time."
        )
    return column


def constant_columns(table: SampledTable, series: SampledColumn) -> set[str]:
    """Return the columns that hold one value in each series."""
    names = series.cells.to_numpy()
    return {
        column.name
        for column in table.columns.values()
        if (column.cells.groupby(names).nunique(dropna=False) == 1).all()
    }


def _holds_names(column: SampledColumn, max_series: float) -> bool:
    """Return whether the cells can name series: repeated texts or whole numbers."""
    whole = column.numbers is None or column.cells.astype("str").str.fullmatch(r"-?\d+").all()
    return bool(whole) and not column.empty and column.cells.dtype.kind != "M" and column.distinct <= max_series


def _repeated_share(times: "pd.Series[Any]", *names: SampledColumn) -> float:
    """Return the share of rows that repeat time and names of another row."""
    cells = {str(at): column.cells.to_numpy() for at, column in enumerate(names)}
    return float(pd.DataFrame({"time": times} | cells).duplicated().mean())


def _remedy(times: "pd.Series[Any]", candidates: list[SampledColumn], max_series: float) -> str:
    """Return which two columns separate the series together, or that none do."""
    left = {}
    for pair in itertools.combinations(candidates, 2):
        series = len(pd.DataFrame({at: column.cells for at, column in enumerate(pair)}).drop_duplicates())
        if series <= max_series:
            left[pair] = (_repeated_share(times, *pair), series)
    best = min(left, key=left.__getitem__, default=None)
    if best and left[best][0] < _MAX_REPEATED_SHARE:
        one, other = (column.name for column in best)
        return (
            f"only {one!r} and {other!r} together separate the series. Join them into one column (pandas: "
            f"frame['series'] = frame[{one!r}].astype(str) + ' ' + frame[{other!r}].astype(str))."
        )
    return (
        "neither one column nor two separate series: these are not time series. Keep one row for each time, add a "
        "column that names the series, or use --domain tabular."
    )

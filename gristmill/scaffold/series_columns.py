"""Choice of the columns that name the series where times repeat."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.sampling import evenly_spaced
from gristmill.errors import DataError, short_repr
from gristmill.scaffold.table import SampledColumn, SampledTable
from gristmill.scaffold.time_columns import TimeColumns, gap_ratio, holds_times_of_day

_MAX_SERIES_CHECKED = 100
_MAX_REPEATED_SHARE = 0.05  # maximum share of rows that repeat a time and are averaged


class NoSeries(DataError):
    """Times repeat, or have no regular distance, so the rows are not time series."""


Names = tuple[SampledColumn, ...]  # columns that name the series together; none for one series


def choose_series(
    table: SampledTable, times: TimeColumns, target: str | None, requested: Sequence[str] | None = None
) -> Names:
    """Return the requested columns, or the one or two that separate the times best (fewest repeats).

    Raises:
        DataError: too many times repeat to be averaged, and the requested columns, or any two, do not separate the
            series.
    """
    if requested:
        return _read_requested(table, times, target, requested)
    stamps = pd.Series(times.values)
    repeated = stamps.duplicated().mean()
    if not repeated:
        return ()
    # A series has three rows, and a tenth of all times, on average. In a column of more names, the cells are values.
    max_series = len(stamps) / max(3, 0.1 * stamps.nunique())
    candidates = []
    for column in table.columns.values():
        if column.name in (*times.columns, target) or column.why_useless or column.empty:
            continue
        # Repeated texts or whole numbers can name series.
        whole = column.numbers is None or column.cells.astype("str").str.fullmatch(r"-?\d+").all()
        if whole and column.cells.dtype.kind != "M" and column.distinct <= max_series:
            candidates.append(column)
    # One column names the series, or two do together.
    left = {column: _repeated_share(stamps, column) for column in candidates}
    best = min(candidates, key=lambda column: (left[column], column.numbers is not None, column.distinct), default=None)
    if best and left[best] < min(_MAX_REPEATED_SHARE, repeated):
        return _check_no_times((best,), table, times)
    if repeated <= _MAX_REPEATED_SHARE:
        return ()
    counts = {pair: count_series(pair) for pair in itertools.combinations(candidates, 2)}
    shares = {pair: _repeated_share(stamps, *pair) for pair, count in counts.items() if count <= max_series}
    both = min(shares, key=lambda pair: (shares[pair], counts[pair]), default=())
    if both and shares[both] < _MAX_REPEATED_SHARE:
        return _check_no_times(both, table, times)
    names = " and ".join(map(repr, times.columns))
    raise NoSeries(
        f"{table.rows.name}: {stamps.duplicated().sum():,} of {len(stamps):,} rows repeat a time of {names}, and "
        "neither one column nor two separate series: these are not time series. Keep one row for each time, add a "
        "column that names the series, or use --domain tabular."
    )


def _check_no_times(names: Names, table: SampledTable, times: TimeColumns) -> Names:
    """Return the names; raise `DataError` if they are times of day, which belong to the dates beside them."""
    if hours := [column for column in names if holds_times_of_day(column)]:
        day, hour = times.columns[0], hours[0].name
        if times.time_format == "integer":  # such as the days of a year, which are no dates
            raise NoSeries(f"{table.rows.name}: the numbers in {day!r} repeat, once for each hour in {hour!r}.")
        remedy = "Write them as 00:00 to 23:59."
        if hours[0].numbers is not None:
            remedy = f"Count them from 0 in a function of source.prepare: frame[{hour!r}].astype(int) - 1."
        raise DataError(
            f"{table.rows.where(0)}: the column {day!r} holds days, and {hour!r} times of day such as "
            f"{short_repr(hours[0].cells.iloc[0])}, which cannot be read together. {remedy} If each time of day is a "
            f"series, use --domain timeseries --series {hour}."
        )
    return names


def irregular_share(times: TimeColumns, series: Names) -> float:
    """Return the share of series, of at most a hundred, whose own times have more gaps than times."""
    grouped = pd.Series(times.values).groupby([column.cells.to_numpy() for column in series])
    groups = [pd.Index(group) for _, group in grouped]
    some = [groups[at] for at in evenly_spaced(len(groups), _MAX_SERIES_CHECKED)]
    return float(np.mean([gap_ratio(group) > 1 for group in some if len(group) > 2] or [False]))


def count_series(names: Names) -> int:
    """Return the number of series that columns name together."""
    return len(pd.DataFrame({at: column.cells for at, column in enumerate(names)}).drop_duplicates())


def _read_requested(table: SampledTable, times: TimeColumns, target: str | None, names: Sequence[str]) -> Names:
    """Return the columns that the user named; raise `DataError` if they cannot name the series."""
    columns = tuple(table.column(name) for name in names)
    for column in columns:
        if column.name in (*times.columns, target) or column.empty:
            reason = f"has {column.empty:,} empty cells" if column.empty else "holds the times or the target"
            raise table.error(f"the column {column.name!r} {reason}. Name another one with --series.")
    if (repeated := _repeated_share(pd.Series(times.values), *columns)) > _MAX_REPEATED_SHARE:
        shown = f"column{'s' * (len(names) > 1)} {' and '.join(map(repr, names))}"
        raise table.error(
            f"{repeated:.0%} of the rows repeat a time of their series in the {shown}. "
            "Name another one with --series, or leave one row for each time."
        )
    return columns


def constant_columns(table: SampledTable, series: Names) -> set[str]:
    """Return the columns that hold one value in each series."""
    names = [column.cells.to_numpy() for column in series]
    values = {column.name: column.cells.groupby(names).nunique(dropna=False) for column in table.columns.values()}
    return {name for name, counts in values.items() if (counts == 1).all()}


def _repeated_share(times: "pd.Series[Any]", *names: SampledColumn) -> float:
    """Return the share of rows that repeat time and names of another row."""
    cells = {str(at): column.cells.to_numpy() for at, column in enumerate(names)}
    return float(pd.DataFrame({"time": times} | cells).duplicated().mean())

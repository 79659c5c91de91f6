"""Times that are no timestamps: quarters, weeks, years with decimals, and days as spreadsheets count them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.errors import RequestError, count_of, short_repr
from gristmill.sources.rows import Rows

REMEDY = "Fix it, set time_format in the table 'ingest', or name another column as time."
_QUARTER = r"^(?:(?P<year>\d{4})[-/ ]?[Qq]{1,2}(?P<quarter>[1-4])|[Qq](?P<first>[1-4])[-/ ]?(?P<last>\d{4}))$"
_WEEK = r"^(\d{4})(?:[- ]?[Ww](?:eek|EEK)? ?(?=\d)|(?=\d\d$))(\d{1,2})(?:-1)?$"
_SPAN = r"^(\d{4}-\d\d-\d\d)/\d{4}-\d\d-\d\d$"  # as pandas prints a week
_MAX_MONTH_ERROR = 0.08  # months by which a decimal year may differ from the beginning or the middle of a month


def read_periods(rows: Rows, columns: Sequence[str], time_format: str) -> pd.DatetimeIndex:
    """Return the time, or the first day of the period, that each row names by a time format of `PERIODS`.

    Raises:
        DataError: a cell does not name such a period.
        RequestError: there are too many columns; quarters and weeks may have two, the first of which is a year.
    """
    may_be_split = time_format in ("quarter", "week")
    if len(columns) > 1 + may_be_split:
        also = f", or a year and a {time_format} column" if may_be_split else ""
        raise RequestError(
            f"time_format = {time_format!r} in the table 'ingest' requires one time column{also}. Received: "
            f"{list(columns)}."
        )
    return pd.DatetimeIndex(PERIODS[time_format](rows, columns)).as_unit("us")


def _quarters(rows: Rows, columns: Sequence[str]) -> "pd.Series[pd.Timestamp]":
    """Read cells such as 1974Q1 or Q1 1974, or combine a column of years and a column of quarters from 1 to 4."""
    found = join_cells(rows, columns, "Q").str.extract(_QUARTER)
    year, quarter = found["year"].fillna(found["last"]), found["quarter"].fillna(found["first"])
    check_cells(rows, rows.frame[columns[-1]], quarter.isna().to_numpy(), "not a quarter such as 1974Q1")
    months = pd.DataFrame({"year": year.astype("int64"), "month": 3 * quarter.astype("int64") - 2, "day": 1})
    return pd.to_datetime(months)


def _weeks(rows: Rows, columns: Sequence[str]) -> "pd.Series[pd.Timestamp]":
    """Read ISO weeks such as 1991-W06, columns of years and weeks, or both days as in 1991-02-04/1991-02-10."""
    cells = join_cells(rows, columns, "W")
    found = cells.str.extract(_WEEK)
    mondays = found[0] + "-W" + found[1].str.zfill(2) + "-1"
    times = pd.to_datetime(mondays, format="%G-W%V-%u", errors="coerce")
    times = times.fillna(pd.to_datetime(cells.str.extract(_SPAN)[0], format="%Y-%m-%d", errors="coerce"))
    check_cells(rows, rows.frame[columns[-1]], times.isna().to_numpy(), "not a week such as 1991-W06")
    return times


def _decimal_years(rows: Rows, columns: Sequence[str]) -> "pd.Series[pd.Timestamp]":
    """Read years with decimals that tell the beginning or the middle of a month, such as 1982.25 or 1958.2027."""
    cells = rows.frame[columns[0]]
    months = 12 * pd.to_numeric(cells, errors="coerce")
    begins, middles = months.round(), np.floor(months)
    is_begin = (months - begins).abs() <= _MAX_MONTH_ERROR
    is_middle = (months - middles - 0.5).abs() <= _MAX_MONTH_ERROR
    are_middles = is_middle.mean() > is_begin.mean()
    told = (is_middle if are_middles else is_begin) & months.between(12, 12 * 9999)
    check_cells(rows, cells, ~told.to_numpy(), "not a year with twelfths such as 1982.25")
    first = (middles if are_middles else begins).astype("int64")
    return pd.to_datetime(pd.DataFrame({"year": first // 12, "month": first % 12 + 1, "day": 1}))


def _spreadsheet_days(rows: Rows, columns: Sequence[str]) -> "pd.Series[pd.Timestamp]":
    """Read days since 1899-12-30, with fractions to the second, as Excel writes dates without a format."""
    cells = rows.frame[columns[0]]
    days = pd.to_numeric(cells, errors="coerce")
    times = pd.to_datetime(days, unit="D", origin="1899-12-30", errors="coerce").dt.round("s")
    check_cells(rows, cells, times.isna().to_numpy(), "not a number of days such as 45292")
    return times


PERIODS: Mapping[str, Callable[[Rows, Sequence[str]], "pd.Series[pd.Timestamp]"]] = {
    "quarter": _quarters,
    "week": _weeks,
    "decimal_year": _decimal_years,
    "excel_days": _spreadsheet_days,
}
"""Readers by time format."""


def join_cells(rows: Rows, columns: Sequence[str], between: str) -> "pd.Series[str]":
    """Return the cells of columns as one text for each row, empty if one of them is."""
    joined, *others = (rows.frame[name].astype("str").str.strip() for name in columns)
    for cells in others:
        joined = joined + between + cells
    return joined.rename(" and ".join(columns))


def check_cells(rows: Rows, cells: "pd.Series[Any]", bad: npt.NDArray[np.bool_], what: str) -> None:
    """Raise `DataError` for the first bad cell of a column of times."""
    if not bad.any():
        return
    position, reason = int(bad.argmax()), f"column {cells.name!r}: {what}"
    cell = cells.iloc[position]
    received = f"{'an empty cell' if pd.isna(cell) else short_repr(cell)} ({count_of(bad.sum(), 'such cells')})"
    raise rows.unusable(bad, f"{rows.where(position)}, {reason}: {received}. {REMEDY}", reason)

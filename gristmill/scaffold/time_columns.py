"""Choice of the columns of times and their format."""

import contextlib
import itertools
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.timeseries.data.grid import infer_frequency, on_grid
from gristmill.domains.timeseries.data.times import PARTS, guess_format, read_times
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError, short_repr
from gristmill.scaffold.file_format import MONTHS_WITH_POINTS
from gristmill.scaffold.table import SampledColumn, SampledTable, words_of
from gristmill.sources.rows import Rows

_TIME_WORDS = {"date", "dates", "datetime", "datum", "time", "times", "timestamp", "ds", "period", "year", "yr", "jahr"}
_TIME_WORDS |= {"month", "week", "day", "hour", "quarter", "t", "step", "index", "obs", "unnamed"}
_TIME_WORDS |= {"ts", "dt", "epoch", "unix", "unixtime", "when"}
_TIME_WORDS |= {"zeit", "zeitpunkt", "stichtag", "uhrzeit", "monat", "woche", "mois", "mes", "fecha"}
_DATE_WORDS = {"date", "dates", "datetime", "datum", "fecha", "day", "week", "month", "monat"}
_COUNTING_WORDS = {"id", "index", "no", "nr", "obs", "unnamed"}
_DAY_FIRST = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y")  # the first cell may look like month first
_HOURS_OF_12 = (" %I:%M %p", " %I:%M:%S %p")  # which pandas does not guess
_FORMATS = (
    None,
    *(day + hour for day in _DAY_FIRST for hour in ("", " %H:%M", " %H:%M:%S", *_HOURS_OF_12)),
    *(day + hour for day in ("%m/%d/%Y", "%Y-%m-%d", "%d %b %Y", "%d %B %Y") for hour in _HOURS_OF_12),
    *("%b-%d-%Y", "%d-%b-%Y", "%d-%b-%y", "%b-%y", "%b %Y", "%B %Y", "%Y %b", "%Y %B", "%Y-%b", "%YM%m", "%Y:%m"),
    *("%b-%Y", "%B-%Y", "%Y-%B", "%m/%Y", "%m-%Y", "%m.%Y", "%Y/%m", "%Y.%m", "%m/%d/%y", "%b %y", "%b. %Y", "%b. %y"),
)
_PARTS_OF_YEARS = {"quarter": "quarter", "qtr": "quarter", "week": "week", "isoweek": "week", "kw": "week"}
_PARTS_OF_YEARS |= dict.fromkeys(("doy", "yday", "dayofyear", "julianday"), "%Y %j")
_HOURS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%H.%M.%S", "%H.%M")
_FORMAT_BY_DIGITS = {8: "%Y%m%d", 6: "%Y%m", 4: "%Y"}
_UNSAFE_GUESS = re.compile("%[bBp]|^%[dm]")  # names, AM and PM, days beside months: other rows may suggest another one
_HOUR_WORDS = {"hour", "hr", "stunde", "heure", "hora"}
_TIME_OF_DAY = re.compile(r"\d{1,2}([:.])\d\d(\1\d\d(\.\d+)?)?(\s?[AaPp]\.?[Mm]\.?)?")
_WEEK = re.compile(r"\d{4}[- ]?W(eek)? ?\d{1,2}(-1)?|\d{4}-\d\d-\d\d/\d{4}-\d\d-\d\d", re.IGNORECASE)
_EPOCH_BY_DIGITS = {10: "epoch_seconds", 13: "epoch_milliseconds"}  # counts since 1970 from 2001 on
_FIRST_ROWS = 50  # rows to read before all rows are read


@dataclass(frozen=True)
class TimeColumns:
    """Columns of times, their format and the times themselves."""

    columns: tuple[str, ...]
    time_format: str | None
    values: pd.Index  # (rows,)
    other_format: str | None = None  # one that gives other times, equally regular
    is_most_regular: bool = False  # whether another format gives less regular times

    @property
    def span(self) -> str:
        """Return first and last time."""
        return f"from {self.shown(self.values.min())} to {self.shown(self.values.max())}"

    def shown(self, time: object) -> str:
        """Return a time for messages, without an hour of zero."""
        return str(time)[:4] if self.time_format == "%Y" else str(time).removesuffix("+00:00").removesuffix(" 00:00:00")


class NoTimes(DataError):
    """No column of a table holds times."""


@lru_cache(maxsize=1)  # the choice of the domain asks first, then the proposal
def find_times(table: SampledTable, series: Sequence[str] = ()) -> TimeColumns:
    """Return the columns of times: parts of a calendar, or one by its name, or the first that can be read as times.

    If a column can be read in several ways, such as days before months, the most regular times are chosen. Days that
    repeat are joined with a column of times of day, unless it names the `series`.

    Raises:
        NoTimes: there are none.
        DataError: a column of times has a cell that is not a time.
    """
    # Parts of a calendar in several columns.
    by_name = {name.lower(): name for name in table.columns}
    parts = tuple(by_name[part] for part in itertools.takewhile(by_name.__contains__, PARTS))
    if len(parts) > 1 and (times := _try_read(table, parts, None)):
        return times
    if times := _read_parts_of_years(table):
        return times
    # One column: by its name, by its cells, or one that numbers the rows.
    columns_like_times = [column for column in table.columns.values() if is_named_like_time(column.name)]
    named = [column for column in columns_like_times if column.numbers is None or not column.is_named_like_id]
    named.sort(key=lambda column: counts_rows(column.name))
    others = [column for column in table.columns.values() if column not in named]
    # The numbers of a column that is not named like times could mean anything.
    texts = [column for column in others if column.numbers is None or column.cells.dtype.kind == "M"]
    for columns, formats in ((named, _formats), (texts, _formats), (named + others[:1], _numbering)):
        if formats is _numbering and (bad := _bad_time(table, named, 0.8)):  # some cells are mistakes
            raise DataError(f"{bad}. Fix it, or remove the row.")
        for column in columns:
            if times := _read_most_regular(table, column, formats(column)):
                return _with_times_of_day(table, times, series)
    if bad := _bad_time(table, named, 0.3):  # the cells have several formats
        raise NoTimes(f"{bad}. Write all times in one format.")
    raise table.missing_column_error(
        f"no column of times among {', '.join(map(repr, table.columns))}. Expected dates such as 2024-01-31, "
        "years, or consecutive whole numbers: add them to the table, or name the column 'date'.",
        NoTimes,
    )


def _read_parts_of_years(table: SampledTable) -> TimeColumns | None:
    """Return the times of a year and its quarters, weeks or days, with hours if there are any; None if not all are."""
    by_name = {"".join(words_of(name)): name for name in table.columns}
    year = next((by_name[word] for word in ("year", "yr", "jahr") if word in by_name), None)
    hour = next((by_name[word] for word in sorted(_HOUR_WORDS) if word in by_name), None)
    if year is None:
        return None
    for part, time_format in ((by_name[part], known) for part, known in _PARTS_OF_YEARS.items() if part in by_name):
        if hour and "%" in time_format and (times := _try_read(table, (year, part, hour), f"{time_format} %H")):
            return times
        if times := _try_read(table, (year, part), time_format):
            return times
    return None


def _with_times_of_day(table: SampledTable, days: TimeColumns, series: Sequence[str]) -> TimeColumns:
    """Return days that repeat with the times of day of another column, if these tell them apart."""
    (name,), values = days.columns, days.values
    repeated = int(values.duplicated().sum())
    if not repeated or not isinstance(values, pd.DatetimeIndex) or not (values == values.normalize()).all():
        return days
    is_written = days.time_format is None or days.time_format.startswith("%")
    written = days.time_format or guess_format(table.columns[name].cells) or "%Y-%m-%d"
    for column in table.columns.values():
        if is_written and column.name not in (name, *series) and not column.empty and holds_times_of_day(column):
            for hours in _HOURS if column.numbers is None else ("%H",):
                times = _try_read(table, (name, column.name), f"{written} {hours}")
                if times and times.values.duplicated().sum() < repeated:
                    return replace(times, other_format=days.other_format and f"{days.other_format} {hours}")
    return days


def gap_ratio(times: pd.Index) -> float:
    """Return the number of missing points on the grid of the times, per time; infinity if they have no grid."""
    unique = times.unique().sort_values()
    try:
        grid = on_grid(unique, np.zeros(1, np.int64), infer_frequency(unique, ""), False, str)
    except DataError:
        return float("inf")
    return (len(grid.times) - len(unique)) / len(unique)


def find_outlier(table: SampledTable, times: TimeColumns) -> str:
    """Return the position of a time farther from all others than they are from each other; empty if there is none."""
    ordered = pd.Series(times.values).sort_values()
    unique = ordered.drop_duplicates()
    for outlier, others in ((unique.iloc[0], unique.iloc[1:]), (unique.iloc[-1], unique.iloc[:-1])):
        first, last = others.iloc[0], others.iloc[-1]
        if min(abs(first - outlier), abs(last - outlier)) > last - first:
            where = table.rows.where(int(ordered.index[ordered == outlier][0]))
            span = f"{times.shown(first)} to {times.shown(last)}"
            return f"{where}: {times.shown(outlier)}, far from the other times, {span}."
    return ""


def holds_times_of_day(column: SampledColumn) -> bool:
    """Return whether all cells of a column are times of day, such as 14:30, or hours by the name of the column."""
    if column.numbers is not None:
        return not _HOUR_WORDS.isdisjoint(column.words) and bool(column.numbers.between(0, 24).all())
    return bool(column.cells.astype("str").str.strip().str.fullmatch(_TIME_OF_DAY).all())


def holds_unread_times(column: SampledColumn) -> bool:
    """Return whether a column is named like times, and its texts hardly repeat and contain digits."""
    if column.numbers is not None or not is_named_like_time(column.name) or column.cells.dtype.kind == "M":
        return False
    cells = column.cells.dropna().astype("str")
    return 2 * column.distinct > len(cells) and bool(cells.str.contains(r"\d").mean() > 0.9)


def _bad_time(table: SampledTable, columns: list[SampledColumn], min_share: float) -> str:
    """Return the first bad cell of columns of which one format reads a minimum share; empty if there is none."""
    for column in columns:
        if column.numbers is None and (bad := _first_unreadable(column, min_share)) is not None:
            cell = column.cells.iloc[bad]
            received = "an empty cell" if pd.isna(cell) else short_repr(cell)
            return f"{table.rows.where(bad)}, column {column.name!r}: {received} among times"
    return ""


def _first_unreadable(column: SampledColumn, min_share: float) -> int | None:
    """Return the position of the first cell that the best format cannot read; None if each format reads too few."""
    readable = []
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # about guessed formats
        for time_format in _FORMATS:
            with contextlib.suppress(ValueError):  # mixed offsets
                if _are_times(column.cells.iloc[:_FIRST_ROWS], time_format).mean() >= min_share:
                    readable.append(_are_times(column.cells, time_format))
    best = max(readable, key=lambda cells: cells.mean(), default=None)
    return None if best is None or not min_share <= best.mean() < 1 else int(best.argmin())


def _are_times(cells: "pd.Series[Any]", time_format: str | None) -> "pd.Series[bool]":
    return pd.to_datetime(cells, format=time_format, errors="coerce").notna()


def is_named_like_time(name: str) -> bool:
    """Return whether the name of a column contains a word for times."""
    return not _TIME_WORDS.isdisjoint(words_of(name))


def counts_rows(name: str) -> bool:
    """Return whether the name of a column says that it numbers the rows, and not that it holds times."""
    return not _COUNTING_WORDS.isdisjoint(words_of(name))


def _formats(column: SampledColumn) -> Iterator[str | None]:
    """Yield the formats that a column of times may have."""
    if column.empty:
        return
    first = str(column.cells.iloc[0]).strip()
    if "q" in first.lower():  # only quarters, such as 2024Q1, contain it
        yield "quarter"
    elif _WEEK.fullmatch(first):
        yield "week"
    elif months := _months_with_points(column):
        yield months
    elif _holds_decimal_years(column):
        yield "decimal_year"
    elif _holds_spreadsheet_days(column):
        yield "excel_days"
    elif column.numbers is None or column.cells.dtype.kind == "M":
        yield from _FORMATS
        if _begins_with_years(column):
            yield "%y-%b"
    elif (digits := _digits(column)) in _FORMAT_BY_DIGITS and (digits != 4 or column.numbers.between(1500, 2200).all()):
        yield _FORMAT_BY_DIGITS[digits]
        if digits == 6:  # 202352 is a week
            yield "week"
    elif digits in _EPOCH_BY_DIGITS and column.cells.astype("str").str.strip().str.match("1").all():  # until 2033
        yield _EPOCH_BY_DIGITS[digits]


def _holds_decimal_years(column: SampledColumn) -> bool:
    numbers = column.numbers  # 1950.0 is such a year, too
    return numbers is not None and bool(numbers.between(1700, 2100).all()) and _digits(column) is None


def _months_with_points(column: SampledColumn) -> str | None:
    """Return the format of months such as 01.2008 and 2008.01, which look like numbers; None for other cells."""
    cells = column.cells.astype("str").str.strip()
    return next((months for months, pattern in MONTHS_WITH_POINTS.items() if cells.str.fullmatch(pattern).all()), None)


def _holds_spreadsheet_days(column: SampledColumn) -> bool:
    """Return whether a column that is named like dates holds days from 1990 to 2049 as spreadsheets count them."""
    is_named = not _DATE_WORDS.isdisjoint(column.words)
    return is_named and column.numbers is not None and bool(column.numbers.between(32_874, 54_788).all())


def _begins_with_years(column: SampledColumn) -> bool:
    """Return whether cells such as 08-Jan begin with years rather than with days: only then are they in order."""
    times = pd.to_datetime(column.cells, format="%y-%b", errors="coerce")
    return bool(times.notna().all()) and times.is_monotonic_increasing


def _numbering(column: SampledColumn) -> Iterator[str]:
    numbers = column.numbers
    if numbers is not None and not column.empty and _digits(column) is not None and (numbers % 1 == 0).all():
        yield "integer"


def _digits(column: SampledColumn) -> int | None:
    """Return the number of digits in each cell; 0 if it differs, None if a cell has other characters."""
    lengths = column.cells.astype("str").str.strip().where(lambda cells: cells.str.fullmatch(r"-?\d+")).str.len()
    return None if lengths.isna().any() else int(lengths.iloc[0]) if lengths.nunique() == 1 else 0


def _read_most_regular(table: SampledTable, column: SampledColumn, formats: Iterator[str | None]) -> TimeColumns | None:
    """Return the times of a column in the format that makes them most regular; None if no format suits."""
    readings = [times for time_format in formats if (times := _try_read(table, (column.name,), time_format))]
    ratios = [gap_ratio(times.values) for times in readings]
    if not readings or ([times.time_format for times in readings] == ["integer"] and ratios[0] > 1):
        return None
    month_first = [(times.time_format or "").startswith("%m.") for times in readings]  # nobody writes that with points
    best = min(range(len(readings)), key=lambda at: (ratios[at], month_first[at]))
    alike = [times for times, ratio in zip(readings, ratios, strict=True) if ratio == ratios[best]]
    others = (times.time_format for times in alike if not times.values.equals(readings[best].values))
    is_most_regular = max(ratios) > ratios[best]
    return replace(readings[best], other_format=next(others, None), is_most_regular=is_most_regular)


def _try_read(table: SampledTable, columns: tuple[str, ...], time_format: str | None) -> TimeColumns | None:
    """Return the times of all rows, or None if a row has another format; the first rows are tried first."""
    settings = Ingest(time=columns, target=(f"other than {columns[0]}",), time_format=time_format)
    frame = table.rows.frame
    try:
        read_times(Rows(frame.iloc[:_FIRST_ROWS]), settings)
        times, _ = read_times(Rows(frame), settings)
    except DataError:
        return None
    if time_format is None and len(columns) == 1 and frame[columns[0]].dtype.kind != "M":
        guess = guess_format(frame[columns[0]])
        time_format = guess if guess and _UNSAFE_GUESS.search(guess) else None
    return TimeColumns(columns, time_format, times)

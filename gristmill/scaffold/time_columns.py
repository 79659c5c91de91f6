"""Which columns hold the times of a table, and how they are to be read: every way is tried on the cells themselves."""

import contextlib
import itertools
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.timeseries.grid import infer_frequency, on_grid
from gristmill.domains.timeseries.parse_times import PARTS, read_times
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError, short_repr
from gristmill.scaffold.column import Column
from gristmill.scaffold.table import SampledTable
from gristmill.sources.rows import Rows

_HINTS = {"date", "dates", "datetime", "datum", "time", "times", "timestamp", "ds", "period", "year", "yr", "jahr"}
_HINTS |= {"month", "week", "day", "hour", "quarter", "t", "step", "index", "obs", "unnamed"}
_DAYS = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y")  # which the first cell may let seem months
_HOURS = ("", " %H:%M", " %H:%M:%S")
_WORDS = ("%b-%d-%Y", "%d-%b-%Y", "%d-%b-%y", "%b-%y", "%b %Y", "%B %Y", "%YM%m", "%Y:%m")
_FORMATS = (None, *(day + hour for day in _DAYS for hour in _HOURS), *_WORDS)
_DIGITS = {8: "%Y%m%d", 6: "%Y%m", 4: "%Y"}
_YEARS = (1500, 2200)
_EPOCHS = {10: "s", 13: "ms"}  # digits of what is counted since 1970, and in what
_MOST = 0.8  # of the cells: the others are mistakes
_FIRST = 50  # rows that a format is tried on before all are read


@dataclass(frozen=True)
class Clock:
    """Columns of times, and how they are read."""

    columns: tuple[str, ...]
    time_format: str | None
    times: pd.Index  # (rows,)

    @property
    def span(self) -> str:
        """From when to when they go."""
        first, last = (_shown(time, self.time_format) for time in (self.times.min(), self.times.max()))
        return f"from {first} to {last}"


def find_clock(table: SampledTable) -> Clock:
    """Return the columns of times: of a calendar's parts, or one by its name, or the first that can be read as times.

    Of several ways to read a column, such as days before months, the one counts by which the times are most regular.

    Raises:
        DataError: none can be read.
    """
    by_name = {name.lower(): name for name in table.columns}
    parts = tuple(by_name[part] for part in itertools.takewhile(by_name.__contains__, PARTS))
    if len(parts) > 1 and (clock := _read(table, parts, None)):
        return clock
    if {"year", "quarter"} <= by_name.keys() and (
        clock := _read(table, (by_name["year"], by_name["quarter"]), "quarter")
    ):
        return clock
    hinted = [column for column in table.columns.values() if _is_hinted(column.name)]
    others = [column for column in table.columns.values() if column not in hinted]
    for columns, formats in ((hinted, _formats), (others, _sure_formats), (hinted + others[:1], _numbering)):
        if formats is _numbering:
            _refuse_nearly_times(table, hinted)
        for column in columns:
            if clock := _most_regular(table, column, formats(column)):
                return clock
    raise DataError(
        f"{table.rows.name}: no column of times among {', '.join(map(repr, table.columns))}. Expected one of dates "
        "such as 2024-01-31, of years, or of whole numbers one by one: add it to the table, or name it 'date'."
    )


def holes(times: pd.Index) -> float:
    """Return how many points of their own grid no time stands on, for each time; infinity where there is no grid."""
    unique = times.unique().sort_values()
    start = np.zeros(1, np.int64)
    try:
        grid = on_grid(unique, start, infer_frequency(unique, ""), False, str)
    except DataError:
        return float("inf")
    return (len(grid.times) - len(unique)) / len(unique)


def stray_in(table: SampledTable, clock: Clock) -> str:
    """Return where a time stands that lies farther from all others than they do from each other; empty if none does."""
    times = pd.Series(clock.times).sort_values()
    unique = times.drop_duplicates()
    for stray, others in ((unique.iloc[0], unique.iloc[1:]), (unique.iloc[-1], unique.iloc[:-1])):
        nearest = min(abs(others.iloc[0] - stray), abs(others.iloc[-1] - stray))
        if nearest > others.iloc[-1] - others.iloc[0]:
            first, last = (_shown(time, clock.time_format) for time in (others.iloc[0], others.iloc[-1]))
            where = table.rows.where(int(times.index[times == stray][0]))
            return f"{where}: {_shown(stray, clock.time_format)}, far from the other times, {first} to {last}."
    return ""


def _refuse_nearly_times(table: SampledTable, columns: list[Column]) -> None:
    """Refuse a column, named like one of times, that holds them but for a few cells, or as seconds since 1970."""
    for column in columns:
        digits = _digits(column)
        if digits in _EPOCHS and column.cells.astype("str").str.strip().str.match("1[0-8]").all():  # until 2030
            unit = _EPOCHS[digits]
            raise DataError(
                f"{table.rows.name}: {column.name!r} seems to count from 1970 on, "
                f"{short_repr(column.cells.iloc[0])}. Write "
                f"dates there (pandas: pd.to_datetime(frame[{column.name!r}], unit='{unit}'))."
            )
        if column.numbers is None and (bad := _unreadable(column)) is not None:
            received = "an empty cell" if pd.isna(column.cells.iloc[bad]) else short_repr(column.cells.iloc[bad])
            raise DataError(
                f"{table.rows.where(bad)}, column {column.name!r}: {received} among times. Mend it, or remove the row."
            )


def _unreadable(column: Column) -> int | None:
    """Return the position of the first cell that no form reads, where one reads most cells; None where none does."""
    read = []
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of days before months, and of no one form
        for way in _FORMATS:
            with contextlib.suppress(ValueError):  # of offsets that differ
                if _are_times(column.cells.iloc[:_FIRST], way).mean() >= _MOST:
                    read.append(_are_times(column.cells, way))
    best = max(read, key=lambda there: there.mean(), default=None)
    return None if best is None or not _MOST <= best.mean() < 1 else int(best.argmin())


def _are_times(cells: "pd.Series[Any]", time_format: str | None) -> "pd.Series[bool]":
    return pd.to_datetime(cells, format=time_format, errors="coerce").notna()


def _is_hinted(name: str) -> bool:
    return not _HINTS.isdisjoint(re.split(r"[^a-z]+", name.lower()))


def _formats(column: Column) -> Iterator[str | None]:
    """Yield the ways in which a column may hold times that is named like one."""
    if column.empty:
        return
    if "q" in str(column.cells.iloc[0]).lower():  # 2024Q1: no other form has it
        yield "quarter"
    elif column.numbers is None or column.cells.dtype.kind == "M":
        yield from _FORMATS
    elif (digits := _digits(column)) in _DIGITS and (digits != 4 or column.numbers.between(*_YEARS).all()):
        yield _DIGITS[digits]


def _sure_formats(column: Column) -> Iterator[str | None]:
    """Yield those in which any other column may: any four digits could be a year."""
    yield from (way for way in _formats(column) if way not in ("%Y", "%Y%m"))


def _numbering(column: Column) -> Iterator[str]:
    numbers = column.numbers
    if (
        numbers is not None
        and not column.empty
        and (numbers == np.floor(numbers)).all()
        and _digits(column) is not None
    ):
        yield "integer"


def _digits(column: Column) -> int | None:
    """Return how many digits each cell has; 0 where they differ, None where some have other signs."""
    lengths = column.cells.astype("str").str.strip().where(lambda cells: cells.str.fullmatch(r"-?\d+")).str.len()
    return None if lengths.isna().any() else int(lengths.iloc[0]) if lengths.nunique() == 1 else 0


def _most_regular(table: SampledTable, column: Column, formats: Iterator[str | None]) -> Clock | None:
    found = [clock for way in formats if (clock := _read(table, (column.name,), way))]
    if [clock.time_format for clock in found] == ["integer"] and holes(found[0].times) > 1:
        return None
    return min(found, key=lambda clock: holes(clock.times), default=None)


def _read(table: SampledTable, columns: tuple[str, ...], time_format: str | None) -> Clock | None:
    """Return the times of all rows, or None where the first rows or others hold none of this form."""
    settings = Ingest(time=columns, target=(f"other than {columns[0]}",), time_format=time_format)
    frame = table.rows.frame
    try:
        read_times(Rows(frame.iloc[:_FIRST]), settings)
        times, _ = read_times(Rows(frame), settings)
    except DataError:
        return None
    return Clock(columns, time_format, times)


def _shown(time: object, time_format: str | None) -> str:
    return str(time)[:4] if time_format == "%Y" else str(time).removesuffix(" 00:00:00")

"""Which columns hold the times of a table, and how they are to be read: every way is tried on the cells themselves."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gristmill.errors import DataError
from gristmill.scaffold.column import Column
from gristmill.scaffold.table import Table
from gristmill.sources import Rows
from gristmill.timeseries.grid import infer_frequency, on_grid
from gristmill.timeseries.settings import Ingest
from gristmill.timeseries.times import PARTS, read_times

_HINTS = {"date", "dates", "datetime", "datum", "time", "times", "timestamp", "ds", "period", "year", "yr", "jahr"}
_HINTS |= {"month", "week", "day", "hour", "quarter", "t", "step", "index", "obs", "unnamed"}
_DAYS = ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y")  # which the first cell may let seem months
_HOURS = ("", " %H:%M", " %H:%M:%S")
_WORDS = ("%b-%d-%Y", "%d-%b-%Y", "%d-%b-%y", "%b-%y", "%b %Y", "%B %Y", "%YM%m", "%Y:%m")
_FORMATS = (None, *(day + hour for day in _DAYS for hour in _HOURS), *_WORDS)
_DIGITS = {8: "%Y%m%d", 6: "%Y%m", 4: "%Y"}
_YEARS = (1500, 2200)
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


def find_clock(table: Table) -> Clock:
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


def _most_regular(table: Table, column: Column, formats: Iterator[str | None]) -> Clock | None:
    found = [clock for way in formats if (clock := _read(table, (column.name,), way))]
    if [clock.time_format for clock in found] == ["integer"] and holes(found[0].times) > 1:
        return None
    return min(found, key=lambda clock: holes(clock.times), default=None)


def _read(table: Table, columns: tuple[str, ...], time_format: str | None) -> Clock | None:
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

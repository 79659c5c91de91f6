"""Times of a table: parsed into timestamps or numbers, and converted to UTC from a zone with summer time."""

import itertools
import re
import warnings
from collections import Counter
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.api import guess_datetime_format

from gristmill.domains.timeseries.data.grid import is_finer_than_a_day
from gristmill.domains.timeseries.data.periods import PERIODS, REMEDY, check_cells, join_cells, read_periods
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError, RequestError, count_of, short_repr
from gristmill.sources.rows import Rows

EPOCH_UNITS: dict[str, Literal["s", "ms"]] = {"epoch_seconds": "s", "epoch_milliseconds": "ms"}
"""Unit of a count since 1970 by the time format."""
PARTS = {"year": (1, 9999), "month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)}
"""Columns that make up a time, in order, with their smallest and largest values."""
_IN_UTC = r"(?:Z|UTC|GMT|[+-]00(?::?00)?)$"
_MISSING = {"", "nan", "nat"}  # text that pandas reads as a missing time, in lower case
_FIRST_OF_LAST_CENTURY = 2050  # years of two digits from 50 on are those of the last century
_MAX_EXAMPLES = 100  # cells from which the format is guessed

Numbers = npt.NDArray[np.signedinteger]  # (rows,) number of each row's series


def read_times(rows: Rows, ingest: Ingest) -> tuple[pd.Index, int]:
    """Return the time of each row, and how many times had an offset other than UTC's.

    Times with an offset are converted to UTC and are timezone-aware; other times are naive. With
    `time_format = "integer"` the times are int64. A period, such as a quarter, is represented by its first day, and a
    count since 1970 is a time in UTC. Cells of several columns are numbers of the calendar, or one text.

    Raises:
        DataError: a time cannot be read.
        RequestError: the settings contradict each other.
    """
    cells = rows.frame[ingest.time[0]]

    # Whole numbers: of observations, or of seconds or milliseconds since 1970 in UTC.
    if ingest.time_format in ("integer", *EPOCH_UNITS):
        if len(ingest.time) > 1:
            raise RequestError(
                f"time_format = {ingest.time_format!r} in the table 'ingest' requires exactly one time column."
            )
        numbers = _whole_numbers(rows, ingest.time[0])
        if ingest.time_format == "integer":
            return pd.Index(numbers), 0
        times = pd.to_datetime(numbers, unit=EPOCH_UNITS[ingest.time_format], utc=True, errors="coerce")
        check_cells(rows, cells, np.asarray(times.isna()), "too large for a count since 1970")
        return times.as_unit("us"), 0

    # Periods of the calendar, or days as spreadsheets count them.
    if ingest.time_format is not None and ingest.time_format in PERIODS:
        return read_periods(rows, ingest.time, ingest.time_format), 0

    # Columns of year, month and so on, or columns that are read as one text.
    if len(ingest.time) > 1:
        if ingest.time_format is None and (cells.dtype.kind in "iuf" or cells.str.fullmatch(r"\s*\d+\s*").any()):
            return _assembled(rows, ingest), 0
        return _read_text(rows, join_cells(rows, ingest.time, " "), ingest.time_format)

    # A column of timestamps, or one of text.
    if cells.dtype.kind == "M":
        check_cells(rows, cells, cells.isna().to_numpy(), "not a time")
        return pd.DatetimeIndex(cells).as_unit("us"), 0
    if cells.dtype.kind in "iu":
        if ingest.time_format is None:
            raise DataError(
                f"{rows.name}, column {cells.name!r}: whole numbers. Set time_format = 'integer' in the table 'ingest' "
                "if they count the observations, or a format such as '%Y%m%d'."
            )
        cells = cells.astype("str")
    return _read_text(rows, cells, ingest.time_format)


def _read_text(rows: Rows, cells: "pd.Series[Any]", time_format: str | None) -> tuple[pd.DatetimeIndex, int]:
    """Read text; without a format, take the most common guess of the first cells."""
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # about days before months
            examples = _examples(cells)
            time_format = time_format or guess_format(cells)
            if time_format is None and examples:  # pandas would read each in its own format
                raise ValueError("the format cannot be guessed.")
            readable = pd.to_datetime(examples, format=time_format, errors="coerce", utc=True).notna()
            first = next(itertools.compress(examples, readable), None)
            aware = first is not None and pd.to_datetime(first, format=time_format).tzinfo is not None
            times = pd.to_datetime(cells, format=time_format, errors="coerce", utc=aware)
    except (ValueError, re.error) as error:
        received = short_repr(cells.iloc[0])
        raise DataError(
            f"{rows.name}, column {cells.name!r}: not times, starting at {received}: {error} {REMEDY}"
        ) from None
    check_cells(rows, cells, times.isna().to_numpy(), "not a time in the format of the others")
    if "%y" in (time_format or ""):  # pandas reads 60 as 2060
        times = times.where(times.dt.year < _FIRST_OF_LAST_CENTURY, times - pd.DateOffset(years=100))
    converted = int((~cells.str.contains(_IN_UTC)).sum()) if aware else 0
    return pd.DatetimeIndex(times).as_unit("us"), converted


def guess_format(cells: "pd.Series[Any]") -> str | None:
    """Return the most common format of the first cells of a column of times; None if none can be guessed."""
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # about days before months
        guesses = Counter(filter(None, map(guess_datetime_format, _examples(cells))))
    return guesses.most_common(1)[0][0] if guesses else None


def _examples(cells: "pd.Series[Any]") -> list[str]:
    return [cell for cell in cells.dropna().iloc[:_MAX_EXAMPLES].astype("str") if cell.lower() not in _MISSING]


def _assembled(rows: Rows, ingest: Ingest) -> pd.DatetimeIndex:
    """Combine columns of year, month, day, hour, minute and second."""
    if len(ingest.time) > len(PARTS):
        raise RequestError(
            f"time in the table 'ingest': expected one column, or up to {len(PARTS)} in the order {', '.join(PARTS)}. "
            f"Received: {list(ingest.time)}."
        )
    values = dict.fromkeys(("year", "month", "day"), np.ones(len(rows.frame), np.int64))
    for (part, (low, high)), column in zip(PARTS.items(), ingest.time, strict=False):
        values[part] = _whole_numbers(rows, column)
        outside = (values[part] < low) | (values[part] > high)
        check_cells(rows, rows.frame[column], outside, f"not a valid {part}")
    times = pd.to_datetime(pd.DataFrame(values), errors="coerce")
    check_cells(rows, rows.frame[ingest.time[-1]], times.isna().to_numpy(), "the day does not exist")
    return pd.DatetimeIndex(times).as_unit("us")


def _whole_numbers(rows: Rows, column: str) -> npt.NDArray[np.int64]:
    cells = rows.frame[column]
    check_cells(rows, cells, np.full(len(cells), cells.dtype.kind == "M"), "not a whole number")
    values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    check_cells(rows, cells, ~(values == np.floor(values)) | (np.abs(values) > 2**53), "not a whole number")
    return values.astype(np.int64)


def to_utc(
    times: pd.DatetimeIndex, zone: str | None, frequency: str | None, series: Numbers, rows: Rows
) -> tuple[pd.DatetimeIndex, int]:
    """Return naive times, and how many of them were converted from `zone` to UTC.

    If all times are at the same local time of day, they are dates of the zone and are not converted, unless the
    frequency is finer than a day. Other times are converted to UTC, in which every hour exists once.

    Times are aware in UTC, or naive in the local time of `zone`; None keeps naive times as they are. The order of the
    rows of one series decides which repeated hour is meant. `rows` describes a row in errors.

    Raises:
        DataError: a time does not exist, or it occurs twice and the order of rows does not decide which is meant.
        RequestError: the zone is unknown.
    """
    if zone is None:
        return times.tz_localize(None), 0
    clock = times.tz_convert(_zone(zone)).tz_localize(None) if times.tz else times
    one_a_day = ((clock - clock.normalize()) == clock[0] - clock[0].normalize()).all()
    if one_a_day and not (frequency and is_finer_than_a_day(frequency)):
        return clock, 0
    if times.tz:
        return times.tz_localize(None), 0
    return _localised(clock, zone, series, rows).tz_convert("UTC").tz_localize(None), len(clock)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # unknown name; not a name; name of a folder
        raise RequestError(
            f"timezone {name!r} in the table 'ingest': unknown zone. Expected a name such as 'Europe/Berlin' or 'UTC'."
        ) from None


def _localised(clock: pd.DatetimeIndex, name: str, series: Numbers, rows: Rows) -> pd.DatetimeIndex:
    """Return aware times; the first occurrence of a repeated hour is in summer time."""
    # Refuse times that do not exist.
    zone = _zone(name)
    summer = np.ones(len(clock), bool)
    skipped = clock.tz_localize(zone, ambiguous=summer, nonexistent="NaT").asi8 == pd.NaT.value
    if skipped.any():
        first = int(skipped.argmax())
        reason = f"does not exist in {name}, where clocks were put forward"
        raise rows.unusable(
            skipped,
            f"{rows.where(first)}: {clock[first]} {reason} ({count_of(skipped.sum(), 'such rows')}). Fix the times, or "
            "correct timezone in the table 'ingest'.",
            f"a time that {reason}",
        )

    # Group the repeated times by series and night, in the order of time.
    repeated = np.flatnonzero(clock.tz_localize(zone, ambiguous="NaT").isna())
    ends = pd.DataFrame({"series": series, "clock": clock}).groupby("series")["clock"].agg(["first", "last"])
    backwards = (ends["last"] < ends["first"]).to_numpy()  # the newest row is first
    nights = pd.Series(repeated).groupby([series[repeated], (clock[repeated] - pd.Timedelta(hours=12)).normalize()])

    # The times of a night that follow the last one before clocks were put back are in winter time.
    for _, group in nights:
        night = group.to_numpy()
        night = night[::-1] if backwards[series[night[0]]] else night
        turns = np.flatnonzero(np.diff(clock[night].asi8) <= 0)
        if len(turns) != 1:
            first = int(night.min())
            raise DataError(
                f"{rows.where(first)}: {clock[first]} occurs twice in {name}, where clocks were put back, and the "
                "order of the rows does not show which is meant. Use times with an offset (+01:00), write both hours "
                "in order, or remove timezone from the table 'ingest' if the clock is never changed."
            )
        summer[night[turns[0] + 1 :]] = False
    return clock.tz_localize(zone, ambiguous=summer)

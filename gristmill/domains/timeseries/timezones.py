"""Convert local times to UTC where a zone skips an hour in spring and repeats one in autumn."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.grid import is_finer_than_a_day
from gristmill.errors import DataError, RequestError, count_of
from gristmill.sources.rows import Rows

Numbers = npt.NDArray[np.signedinteger]  # (rows,) number of each row's series

_HALF_A_DAY = pd.Timedelta(hours=12)


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
    zone, summer = _zone(name), np.ones(len(clock), bool)
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
    repeated = np.flatnonzero(clock.tz_localize(zone, ambiguous="NaT").isna())
    for night in _nights(clock, series, repeated):
        summer[night[_turn(clock, night, name, rows) + 1 :]] = False
    return clock.tz_localize(zone, ambiguous=summer)


def _nights(clock: pd.DatetimeIndex, series: Numbers, repeated: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Return the positions of repeated times in the order of time, grouped by series and night."""
    ends = pd.DataFrame({"series": series, "clock": clock}).groupby("series")["clock"].agg(["first", "last"])
    backwards = (ends["last"] < ends["first"]).to_numpy()  # the newest row is first
    nights = pd.Series(repeated).groupby([series[repeated], (clock[repeated] - _HALF_A_DAY).normalize()])
    groups = [group.to_numpy() for _, group in nights]
    return [group[::-1] if backwards[series[group[0]]] else group for group in groups]


def _turn(clock: pd.DatetimeIndex, night: npt.NDArray[np.int64], name: str, rows: Rows) -> int:
    """Return the last of a night's times before clocks were put back; the next time is not later."""
    turns = np.flatnonzero(np.diff(clock[night].asi8) <= 0)
    if len(turns) != 1:
        first = int(night.min())
        raise DataError(
            f"{rows.where(first)}: {clock[first]} occurs twice in {name}, where clocks were put back, and the order "
            "of the rows does not show which is meant. Use times with an offset (+01:00), write both hours in order, "
            "or remove timezone from the table 'ingest' if the clock is never changed."
        )
    return int(turns[0])

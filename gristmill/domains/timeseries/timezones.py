"""Clocks: times of a zone brought to UTC, where the clock itself skips an hour in spring and repeats one in autumn."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.timeseries.grid import is_finer_than_a_day
from gristmill.errors import DataError, RequestError, count_such
from gristmill.sources.rows import Rows

_HALF_A_DAY = pd.Timedelta(hours=12)


def settle(
    times: pd.DatetimeIndex, zone: str | None, frequency: str | None, series: npt.NDArray[np.int64], rows: Rows
) -> tuple[pd.DatetimeIndex, int]:
    """Return naive times and how many of them were brought from `zone` to UTC.

    Times of which all stand at one time of the zone's day are dates of that zone and stay so, unless the frequency says
    otherwise. Others are points in time and become UTC, in which every hour exists once.

    Args:
        times: one for each row; aware in UTC, or naive on the clock of `zone`.
        zone: name of a zone; None where times without an offset are taken as they are.
        frequency: of the series, where it is set.
        series: number of each row's series; rows of one series tell by their order which repeated hour is meant.
        rows: to name a row in an error.

    Raises:
        DataError: a time that does not exist, or stands for two and the order does not tell for which.
        RequestError: no such zone.
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
    except (ZoneInfoNotFoundError, ValueError, OSError):  # no such name; no name at all; the name of a folder
        raise RequestError(
            f"timezone {name!r} in the table 'ingest': no such zone. Expected a name such as 'Europe/Berlin' or 'UTC'."
        ) from None


def _localised(clock: pd.DatetimeIndex, name: str, series: npt.NDArray[np.int64], rows: Rows) -> pd.DatetimeIndex:
    """Return aware times; of an hour that comes twice, the first time is summer's."""
    zone, summer = _zone(name), np.ones(len(clock), bool)
    skipped = clock.tz_localize(zone, ambiguous=summer, nonexistent="NaT").asi8 == pd.NaT.value
    if skipped.any():
        first = int(skipped.argmax())
        raise DataError(
            f"{rows.where(first)}: {clock[first]} does not exist in {name}, where the clock was put forward "
            f"({count_such(skipped.sum(), 'row')}). Mend the times, or correct timezone in the table 'ingest'."
        )
    doubtful = np.flatnonzero(clock.tz_localize(zone, ambiguous="NaT").isna())
    for night in _nights(clock, series, doubtful):
        summer[night[_turn(clock, night, name, rows) + 1 :]] = False
    return clock.tz_localize(zone, ambiguous=summer)


def _nights(
    clock: pd.DatetimeIndex, series: npt.NDArray[np.int64], doubtful: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.int64]]:
    """Return positions of doubtful times in the order of time, those of one series and one night together."""
    ends = pd.DataFrame({"series": series, "clock": clock}).groupby("series")["clock"].agg(["first", "last"])
    backwards = (ends["last"] < ends["first"]).to_numpy()  # the newest row stands first
    nights = pd.Series(doubtful).groupby([series[doubtful], (clock[doubtful] - _HALF_A_DAY).normalize()])
    groups = [group.to_numpy() for _, group in nights]
    return [group[::-1] if backwards[series[group[0]]] else group for group in groups]


def _turn(clock: pd.DatetimeIndex, night: npt.NDArray[np.int64], name: str, rows: Rows) -> int:
    """Return the last of a night's times that came before the clock was put back: the next is no later than it."""
    turns = np.flatnonzero(np.diff(clock[night].asi8) <= 0)
    if len(turns) != 1:
        first = int(night.min())
        raise DataError(
            f"{rows.where(first)}: {clock[first]} comes twice in {name}, where the clock was put back, and the order "
            "of the rows does not tell which is meant. Write times with an offset (+01:00), give both hours in order, "
            "or leave timezone out of the table 'ingest' if the clock is never changed."
        )
    return int(turns[0])

"""Detect series whose times all moved by one distance, such as after a change of time zone."""

from typing import Any

import pandas as pd

from gristmill.errors import count_of
from gristmill.retraining.example_diff import shared_columns

_MAX_SERIES = 100  # series to compare; a shift affects all of them
_MIN_MOVED = 0.9  # minimum share of the earlier rows that have the same values at the moved times
_MAX_UNMOVED = 0.1  # maximum share with the same values at the same times; sparse series repeat at any distance
_UNITS = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
_MAX_ZONE_OFFSET, _ZONE_STEP = pd.Timedelta("14h"), pd.Timedelta("15min")  # offsets of time zones from UTC


def time_shift(now: pd.DataFrame, then: pd.DataFrame) -> Any:
    """Return the distance by which the times of nearly all earlier rows moved, or None if they did not.

    The tables have observations only, with `unique_id` and `ds`. A row has moved if one with the same values in all
    shared columns exists at the moved time. The distances to try are those between the first times of a series, for
    which the end may be longer, and between the last times, for which the beginning may be missing.
    """
    series = then["unique_id"].drop_duplicates()
    series = series[series.isin(now["unique_id"])][:_MAX_SERIES]
    columns = shared_columns(now, then)
    now, then = (table.loc[table["unique_id"].isin(series), columns] for table in (now, then))
    ends, ends_before = (table.groupby("unique_id")["ds"].agg(["min", "max"]) for table in (now, then))

    def share_at(distance: Any) -> float:
        return len(then.assign(ds=then["ds"] + distance).merge(now, on=columns)) / len(then)

    for distance in (ends - ends_before).stack().value_counts().index[:2]:
        if distance and share_at(distance) >= _MIN_MOVED and share_at(0 * distance) <= _MAX_UNMOVED:
            return distance
    return None


def describe_shift(distance: Any) -> str:
    """Return a distance in words, such as `+2 hours`; numbered observations have no unit."""
    if not isinstance(distance, pd.Timedelta):
        return f"{distance:+,}"
    seconds = abs(distance.total_seconds())
    unit, size = next((unit, size) for unit, size in _UNITS.items() if seconds % size == 0 or size == 1)
    return f"{'-' if distance < pd.Timedelta(0) else '+'}{count_of(int(seconds // size), unit)}"


def may_be_time_zone(distance: Any) -> bool:
    """Return whether two time zones may be this far apart."""
    return isinstance(distance, pd.Timedelta) and abs(distance) <= _MAX_ZONE_OFFSET and not distance % _ZONE_STEP

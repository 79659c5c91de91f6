"""Detect series whose times all moved by one distance, or by two an hour apart, such as after a change of time zone."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from gristmill.errors import count_of
from gristmill.retraining.example_diff import shared_columns

_MAX_SERIES = 100  # series to compare; a shift affects all of them
_MIN_MOVED = 0.9  # minimum share of the earlier rows that have the same values at the moved times
_MAX_UNMOVED = 0.5  # maximum share with the same values at the same times, by chance as in counts, or in winter
_UNITS = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
_MAX_ZONE_OFFSET = pd.Timedelta("14h")  # offsets of time zones from UTC
_ZONE_STEP = pd.Timedelta("15min")  # between offsets
_HOUR = pd.Timedelta("1h")  # by which daylight saving time changes an offset


def time_shift(now: pd.DataFrame, then: pd.DataFrame) -> tuple[Any, ...]:
    """Return the distance by which the times of nearly all earlier rows moved; nothing if they did not.

    The tables have observations only, with `unique_id` and `ds`. A row has moved if one with the same values in all
    shared columns exists at the moved time. The distances to try are those between the first times of a series, for
    which the end may be longer, and between the last times, for which the beginning may be missing. Between local time
    and UTC, there are two distances, an hour apart, because of daylight saving time.
    """
    series = then["unique_id"].drop_duplicates()
    series = series[series.isin(now["unique_id"])][:_MAX_SERIES]
    columns = shared_columns(now, then)
    now, then = (table.loc[table["unique_id"].isin(series), columns] for table in (now, then))

    # The distances between the first and between the last times of most series are candidates.
    ends, ends_before = (table.groupby("unique_id")["ds"].agg(["min", "max"]) for table in (now, then))
    distances = (ends - ends_before).stack().value_counts().index[:2]

    # Which of the earlier rows exist at a distance; several candidates share distances.
    @cache
    def moved(distance: Any) -> Any:
        return then.assign(ds=then["ds"] + distance).merge(now, "left", columns, indicator=True)["_merge"] == "both"

    # The ends of a series may show only one of the two distances of daylight saving time: try those an hour apart.
    zones = filter(_may_be_zone, distances)
    near = sorted({distance + hours * _HOUR for distance in zones for hours in (-1, 0, 1)})
    pairs = [(low, high) for low, high in pairwise(near) if high - low == _HOUR]

    # Take the first distance, or pair of distances, at which nearly all rows exist.
    for shift in [*((distance,) for distance in (*distances, *near) if distance), *pairs]:
        share = np.any([moved(distance) for distance in shift], axis=0).mean()
        if share >= _MIN_MOVED and moved(0 * shift[0]).mean() <= _MAX_UNMOVED:
            return shift
    return ()


def describe_shift(shift: Sequence[Any]) -> str:
    """Return distances in words, such as `+2 hours`; numbered observations have no unit."""
    words = []
    for distance in sorted(shift, key=lambda distance: not distance):
        if not isinstance(distance, pd.Timedelta):
            words.append(f"{distance:+,}")
        elif not distance:
            words.append("not at all")
        else:  # in the largest unit of which it is a whole number
            seconds = abs(distance.total_seconds())
            unit, size = next((unit, size) for unit, size in _UNITS.items() if seconds % size == 0 or size == 1)
            words.append(f"{'-' if distance < pd.Timedelta(0) else '+'}{count_of(int(seconds // size), unit)}")
    return " or ".join(words) + ", as with daylight saving time" * (len(shift) > 1)


def may_be_time_zone(shift: Sequence[Any]) -> bool:
    """Return whether two time zones may be this far apart."""
    return all(map(_may_be_zone, shift))


def _may_be_zone(distance: Any) -> bool:
    return isinstance(distance, pd.Timedelta) and abs(distance) <= _MAX_ZONE_OFFSET and not distance % _ZONE_STEP

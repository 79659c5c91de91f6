"""Usual season, history and horizon of series at a frequency."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from gristmill.settings.messages import format_number

_DAY = 86_400_000_000_000  # nanoseconds
_MAX_HISTORY, _MAX_HORIZON = 168, 24  # observations, for series with many a day


@dataclass(frozen=True)
class FrequencyDefaults:
    """Windows for series of a frequency, in observations."""

    name: str  # of the history, for people
    history: int
    horizon: int
    season: int | None = None


_UNKNOWN = FrequencyDefaults("no season is known", 12, 1)
_BY_ALIAS = {
    "D": FrequencyDefaults("four weeks", 28, 7, 7),
    "B": FrequencyDefaults("four weeks", 20, 5, 5),
    "W": FrequencyDefaults("a year", 52, 4, 52),
    "M": FrequencyDefaults("two years", 24, 3, 12),
    "Q": FrequencyDefaults("two years", 8, 2, 4),
    "Y": FrequencyDefaults("ten years", 10, 1),
}


def defaults_of(frequency: str) -> FrequencyDefaults:
    """Return the defaults of a frequency: a pandas alias, or the distance of numbered observations.

    >>> defaults_of("MS").season
    12
    >>> defaults_of("15min").season
    96
    """
    if frequency.isdigit():
        return _UNKNOWN
    offset: Any = pd.tseries.frequencies.to_offset(frequency)
    if isinstance(offset, pd.offsets.Tick) and not isinstance(offset, pd.offsets.Day):
        season = _DAY // offset.nanos
        if season < 2:
            return _UNKNOWN
        history = min(2 * season, _MAX_HISTORY)
        days = f"{format_number(history / season, 2)} days"
        return FrequencyDefaults(days, history, min(season, _MAX_HORIZON), season)
    if offset.n > 1 and not isinstance(offset, pd.offsets.Tick):
        return _UNKNOWN
    start = frequency.partition("-")[0]  # MS, ME and BME, of starts and ends of months, are all M
    alias = start.removeprefix("B" if len(frequency) > 1 else "").rstrip("SE")
    return _BY_ALIAS.get(alias, _UNKNOWN)

"""What is usual at a frequency: how long a season is, how far one looks back and ahead."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from gristmill.settings.messages import format_number

_DAY = 86_400_000_000_000  # nanoseconds
_LONGEST, _FARTHEST = 168, 24  # observations of history and horizon, where days have many


@dataclass(frozen=True)
class Rhythm:
    """Windows for series of a frequency, in observations."""

    called: str  # what the history is, for people
    history: int
    horizon: int
    season: int | None = None


_NONE = Rhythm("no season is known", 12, 1)
_BY_ALIAS = {
    "D": Rhythm("four weeks", 28, 7, 7),
    "B": Rhythm("four weeks", 20, 5, 5),
    "W": Rhythm("a year", 52, 4, 52),
    "M": Rhythm("two years", 24, 3, 12),
    "Q": Rhythm("two years", 8, 2, 4),
    "Y": Rhythm("ten years", 10, 1),
}


def rhythm_of(frequency: str) -> Rhythm:
    """Return what is usual at a frequency: a pandas alias, or the distance of numbered observations.

    >>> rhythm_of("MS").season
    12
    >>> rhythm_of("15min").season
    96
    """
    if frequency.isdigit():
        return _NONE
    offset: Any = pd.tseries.frequencies.to_offset(frequency)
    if offset.n > 1 and not isinstance(offset, pd.offsets.Tick):
        return _NONE
    if isinstance(offset, pd.offsets.Tick) and not isinstance(offset, pd.offsets.Day):
        return _within_days(_DAY // offset.nanos)
    return next((rhythm for alias, rhythm in _BY_ALIAS.items() if _is_a(alias, frequency)), _NONE)


def _within_days(season: int) -> Rhythm:
    """Return what is usual of so many observations a day: two days, or as many as a small network can take in."""
    if season < 2:
        return _NONE
    history = min(2 * season, _LONGEST)
    return Rhythm(f"{format_number(history / season, 2)} days", history, min(season, _FARTHEST), season)


def _is_a(alias: str, frequency: str) -> bool:
    """Whether a frequency is one of days, weeks, months, …: MS, ME and BME, of starts and ends, are all M."""
    return frequency.partition("-")[0].removeprefix("B" if len(frequency) > 1 else "").rstrip("SE") == alias

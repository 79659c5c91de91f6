"""The longer season of series that may have two: a week besides the day, or a year besides the week."""

from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.timeseries.data.dataset import Prepared
from gristmill.domains.timeseries.data.grid import is_finer_than_a_day
from gristmill.domains.timeseries.models.naive import SeasonalNaive

_WEEK = pd.Timedelta(days=7)
_STEPS_IN_52_WEEKS = {"D": 364, "B": 260}  # instead of a year, so that the days of the week are the same


class LongerSeasonalNaive(SeasonalNaive):
    """The naive forecast of a longer season, which is a baseline although no setting asks for it."""

    @property
    def name(self) -> str:
        """Its name in scores, such as `seasonal_naive-336`."""
        return f"{self.kind}-{self.season}"


def longer_season(data: Prepared) -> int | None:
    """Return the observations in a week, or in 52 weeks for days; None if there is no such season.

    It must be at least twice as long as the season of the series, and occur twice in the longest training set.
    """
    layout, observed = data.layout, int(np.diff(data.part("train")).max())
    length = _calendar_season(layout.frequency)
    return length if length and layout.season and 2 * layout.season <= length and 2 * length <= observed else None


def _calendar_season(frequency: str) -> int | None:
    """Return the number of observations in the longer season at a frequency.

    >>> _calendar_season("30min"), _calendar_season("D"), _calendar_season("MS")
    (336, 364, None)
    """
    if frequency.isdigit() or not is_finer_than_a_day(frequency):
        return _STEPS_IN_52_WEEKS.get(frequency)
    step: Any = pd.tseries.frequencies.to_offset(frequency)
    return None if _WEEK.value % step.nanos else int(_WEEK.value // step.nanos)

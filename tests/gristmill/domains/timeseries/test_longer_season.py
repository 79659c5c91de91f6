"""The longer season of series that may have two."""

from dataclasses import replace

import numpy as np
import pytest

from gristmill.domains.timeseries.evaluate import baselines_to_fit
from gristmill.domains.timeseries.models.naive import Naive, SeasonalNaive
from gristmill.domains.timeseries.patterns.longer_season import LongerSeasonalNaive, longer_season
from helpers.small_runs import assembled


@pytest.mark.parametrize(
    ("frequency", "season", "observed", "longer"),
    [
        ("30min", 48, 672, 336),
        ("30min", 48, 671, None),  # fewer than two weeks
        ("30min", None, 672, None),
        ("h", 168, 2000, None),  # the week is the season
        ("5h", 5, 2000, None),  # no whole number of values in a week
        ("D", 7, 728, 364),
        ("D", 365, 2000, None),
        ("B", 5, 520, 260),
        ("MS", 12, 500, None),
        ("1", 24, 2000, None),
    ],
)
def test_a_week_or_52_weeks_occur_twice_in_training(
    frequency: str, season: int | None, observed: int, longer: int | None
) -> None:
    data = assembled(np.arange(observed + 2.0), np.arange(20.0), test=2, season=season or 0)
    data.parts[:, 0, 1] = [observed, observed + 22]

    assert longer_season(replace(data, layout=replace(data.layout, frequency=frequency))) == longer


def test_its_naive_forecast_is_a_baseline() -> None:
    day, naive = SeasonalNaive(kind="seasonal_naive"), Naive(kind="naive")
    week, automatic = (kind(kind="seasonal_naive", season=14) for kind in (SeasonalNaive, LongerSeasonalNaive))
    monthly = assembled(np.arange(60.0), test=10, season=2)
    data = replace(monthly, layout=replace(monthly.layout, frequency="12h"))

    assert baselines_to_fit(data, [naive, day], {}) == [naive, day, automatic]
    assert baselines_to_fit(data, [naive, week], {}) == [naive, week]
    assert baselines_to_fit(monthly, [naive, day], {}) == [naive, day]

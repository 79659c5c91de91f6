"""What is known of any time: the calendar and waves, the same for the past and the future."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.timeseries.data.grid import after
from gristmill.domains.timeseries.preprocess import time_features
from gristmill.domains.timeseries.settings import Harmonics, Preprocess
from gristmill.errors import RequestError
from helpers.small_runs import months

HOURS = pd.date_range("2024-02-28 00:00", periods=24 * 12, freq="h")  # a leap day among them


def made(times: pd.Index, anchor: object = None, frequency: str = "h", **settings: object) -> pd.DataFrame:
    """Return the features of times."""
    cut = Preprocess.model_validate({"history": 1} | settings)
    return time_features(times, cut, times[0] if anchor is None else anchor, frequency)


def test_each_part_of_the_calendar_has_a_column_a_value() -> None:
    found = made(HOURS, calendar=["hour", "weekday", "month", "weekend"])

    assert len(found.columns) == 24 + 7 + 12 + 1
    for time, row in found.iterrows():
        marked = {name for name, value in row.items() if value}
        weekend = {"weekend"} if time.weekday() >= 5 else set()
        assert marked == {f"hour {time.hour}", f"weekday {time.weekday()}", f"month {time.month}"} | weekend
    assert set(np.unique(found)) == {0, 1}


@pytest.mark.parametrize(
    ("period", "time", "phase"),
    [
        ("day", "2024-03-01 06:00", 1 / 4),
        ("week", "2024-03-04 00:00", 0),  # a Monday
        ("week", "2024-03-07 12:00", 3.5 / 7),
        ("year", "2023-01-01 00:00", 0),
        ("year", "2023-07-02 12:00", 1 / 2),  # 182.5 of 365 days
        ("year", "2024-07-02 00:00", 1 / 2),  # 183 of 366
    ],
)
def test_waves_of_the_calendar_begin_where_it_does(period: str, time: str, phase: float) -> None:
    found = made(pd.DatetimeIndex([time]), harmonics=[{"period": period, "pairs": 3}])

    assert found.columns.tolist() == [f"{period} {wave} {pair}" for pair in (1, 2, 3) for wave in ("sin", "cos")]
    turns = [2 * np.pi * pair * phase for pair in (1, 2, 3)]
    expected = [wave(turn) for turn in turns for wave in (np.sin, np.cos)]
    assert found.iloc[0].to_numpy() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("frequency", "times"), [("MS", months(30)), ("1", pd.RangeIndex(5, 35))])
def test_waves_of_observations_are_counted_from_the_anchor(frequency: str, times: pd.Index) -> None:
    found = made(times, frequency=frequency, harmonics=[Harmonics(period=12.5)])

    assert found.columns.tolist() == ["12.5 sin 1", "12.5 cos 1"]
    assert found["12.5 sin 1"].to_numpy() == pytest.approx(np.sin(2 * np.pi * np.arange(30) / 12.5), abs=1e-9)
    assert found["12.5 cos 1"].to_numpy() == pytest.approx(np.cos(2 * np.pi * np.arange(30) / 12.5), abs=1e-9)


@settings(max_examples=30)
@given(cut=st.integers(1, 60), steps=st.integers(1, 40), frequency=st.sampled_from(["h", "D", "MS", "B", "15min"]))
def test_the_future_continues_the_past(cut: int, steps: int, frequency: str) -> None:
    """Features of times after a file's last row are those that the whole series has there."""
    times = pd.date_range("2023-11-30", periods=cut + steps, freq=frequency)
    asked = {"calendar": ["hour", "weekend"], "harmonics": [{"period": 7}, {"period": "year"}, {"period": "week"}]}
    whole = made(times, frequency=frequency, **asked)

    later = made(after(times[cut - 1], steps, frequency), anchor=times[0], frequency=frequency, **asked)

    assert later.index.equals(whole.index[cut:].as_unit("us"))
    assert later.to_numpy() == pytest.approx(whole.iloc[cut:].to_numpy(), abs=1e-9)


def test_nothing_asked_is_no_column() -> None:
    assert made(HOURS).shape == (len(HOURS), 0)
    assert made(pd.RangeIndex(4), frequency="1").shape == (4, 0)


@pytest.mark.parametrize(
    ("asked", "named"), [({"calendar": ["month"]}, "'month'"), ({"harmonics": [{"period": "year"}]}, "'year'")]
)
def test_numbered_observations_have_no_calendar(asked: dict[str, object], named: str) -> None:
    with pytest.raises(RequestError, match=rf"calendar features \({named}\), but the observations are numbered"):
        made(pd.RangeIndex(4), frequency="1", **asked)

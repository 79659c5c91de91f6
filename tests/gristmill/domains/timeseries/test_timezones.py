"""Clocks that are put forward and back."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.timeseries.data.times import to_utc
from gristmill.errors import DataError, RequestError
from gristmill.sources.rows import Rows

BERLIN = "Europe/Berlin"


def settled(
    times: "pd.DatetimeIndex | list[str]",
    zone: str | None = BERLIN,
    frequency: str | None = None,
    series: list[int] | None = None,
) -> tuple[pd.DatetimeIndex, int]:
    index = pd.DatetimeIndex(times)
    rows = Rows(pd.DataFrame(index=pd.RangeIndex(2, len(index) + 2)))
    return to_utc(index, zone, frequency, np.zeros(len(index), np.int64) if series is None else np.array(series), rows)


def clock(start: str, periods: int, frequency: str, zone: str = BERLIN) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """What the clock of a zone shows, and the points in time in UTC."""
    aware = pd.date_range(start, periods=periods, freq=frequency, tz=zone)
    return aware.tz_localize(None), aware.tz_convert("UTC").tz_localize(None)


def test_without_a_zone_times_stay_as_they_are() -> None:
    naive = pd.date_range("2020-01-01", periods=3, freq="h")
    for times in (naive, naive.tz_localize("UTC")):
        found, converted = settled(times, None)
        assert (found.tolist(), converted) == (naive.tolist(), 0)


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    ("start", "zone", "frequency"),
    [
        *((start, BERLIN, every) for start in ("2023-10-28", "2023-03-25") for every in ("h", "15min", "30min", "7h")),
        ("2023-11-04", "America/New_York", "h"),
        ("2023-04-01", "Australia/Lord_Howe", "15min"),  # put back by half an hour
        ("2011-11-05", "America/St_Johns", "30min"),  # put back a minute after midnight
        ("2023-01-01", "Asia/Kolkata", "h"),
    ],
)
def test_the_clock_of_a_zone_becomes_utc(start: str, zone: str, frequency: str) -> None:
    shown, utc = clock(start, 400, frequency, zone)
    found, converted = settled(shown, zone)
    assert (found.tolist(), converted) == (utc.tolist(), 400)


@pytest.mark.fault(22)
def test_newest_rows_first_are_understood() -> None:
    shown, utc = clock("2023-10-28", 100, "15min")
    assert settled(shown[::-1])[0].tolist() == utc[::-1].tolist()


@pytest.mark.fault(22)
def test_each_series_has_its_own_order() -> None:
    shown, utc = clock("2023-10-28 20:00", 24, "h")
    interleaved = np.repeat(np.arange(24), 2)
    assert settled(shown[interleaved], series=[0, 1] * 24)[0].tolist() == utc[interleaved].tolist()
    behind = np.append(np.arange(24), np.arange(24)[::-1])
    assert settled(shown[behind], series=[0] * 24 + [1] * 24)[0].tolist() == utc[behind].tolist()


@pytest.mark.fault(22)
def test_several_autumns_are_several_nights() -> None:
    shown, utc = clock("2020-10-01", 24 * 800, "h")
    assert settled(shown)[0].tolist() == utc.tolist()


@pytest.mark.fault(22)
@settings(max_examples=30)
@given(
    st.integers(0, 8),
    st.sampled_from(["h", "20min"]),
    st.sampled_from([(BERLIN, "2022-10-29"), ("America/New_York", "2022-11-05"), ("Pacific/Auckland", "2022-04-02")]),
)
def test_what_the_clock_shows_is_undone(hour: int, frequency: str, eve: tuple[str, str]) -> None:
    """From any hour of the day before the turn on."""
    zone, day = eve
    shown, utc = clock(f"{day} 0{hour}:00", 120, frequency, zone)
    assert settled(shown, zone)[0].tolist() == utc.tolist()


@pytest.mark.parametrize("frequency", ["D", "W-SUN", "MS"])
@pytest.mark.parametrize("hour", ["00:00", "02:30", "12:00"])
def test_dates_stay_dates_whatever_the_clock_does(frequency: str, hour: str) -> None:
    """At half past two there is one day a year without that time, and one that has it twice."""
    naive = pd.date_range(f"2023-01-01 {hour}", periods=400, freq=frequency)
    assert settled(naive)[0].equals(naive)
    assert settled(naive)[1] == 0


def test_midnights_with_offsets_are_dates_of_their_zone() -> None:
    naive = pd.date_range("2023-01-01", periods=400, freq="D")
    utc = naive.tz_localize(BERLIN).tz_convert("UTC")
    assert len(set(utc.hour)) == 2
    assert settled(utc)[0].tolist() == naive.tolist()
    assert settled(utc, None)[0].tolist() == utc.tz_localize(None).tolist()


def test_hours_with_offsets_are_utc_in_any_zone() -> None:
    _, utc = clock("2023-10-28", 100, "h")
    found, converted = settled(utc.tz_localize("UTC"))
    assert (found.tolist(), converted) == (utc.tolist(), 0)


def test_a_single_hour_is_a_point_in_time_where_the_frequency_says_so() -> None:
    assert settled(["2023-07-01 12:00"])[0].tolist() == [pd.Timestamp("2023-07-01 12:00")]
    assert settled(["2023-07-01 12:00"], frequency="D")[0].tolist() == [pd.Timestamp("2023-07-01 12:00")]
    assert settled(["2023-07-01 12:00"], frequency="h")[0].tolist() == [pd.Timestamp("2023-07-01 10:00")]


@pytest.mark.fault(22)
def test_an_hour_that_was_skipped_is_refused_with_its_row() -> None:
    with pytest.raises(DataError) as raised:
        settled(["2023-03-26 01:00", "2023-03-26 02:00", "2023-03-26 03:00"])
    assert str(raised.value) == (
        "the synthetic series row 3: 2023-03-26 02:00:00 does not exist in Europe/Berlin, where clocks were put "
        "forward (1 such row). Fix the times, or correct timezone in the table 'ingest'."
    )


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    "times",
    [
        ["01:00", "02:00", "03:00"],
        ["01:00", "02:00", "02:00", "02:00", "03:00"],
        ["01:00", "02:45", "02:00", "02:30", "02:15", "03:00"],
        ["01:00", "02:15", "02:30", "03:00"],
    ],
    ids=["once", "three times", "out of order", "both once"],
)
def test_an_hour_that_comes_twice_is_refused_where_the_order_does_not_tell(times: list[str]) -> None:
    with pytest.raises(DataError) as raised:
        settled([f"2023-10-29 {time}" for time in times])
    message = str(raised.value)
    assert "row 3: 2023-10-29 02:" in message
    assert "occurs twice in Europe/Berlin, where clocks were put back" in message
    assert "Use times with an offset (+01:00)" in message


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "/etc/passwd", "../x", "Europe", "a\0b"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(RequestError, match=r"unknown zone\. Expected a name such as 'Europe/Berlin'"):
        settled(["2023-01-01 01:00", "2023-01-01 02:00"], zone)

"""The distance by which the times of all earlier rows moved."""

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.data.shifted_times import describe_shift, may_be_time_zone, time_shift

RANDOM = np.random.default_rng(0)


def series(name: str, values: int = 40, start: str = "2024-01-01", frequency: str = "D") -> pd.DataFrame:
    times = pd.date_range(start, periods=values, freq=frequency)
    return pd.DataFrame({"unique_id": name, "ds": times, "y": RANDOM.normal(size=values)})


BEFORE = pd.concat([series("a"), series("b", 60), series("c", 50, "2024-02-01")], ignore_index=True)


@pytest.mark.parametrize(
    ("distance", "words", "zone"),
    [("2h", "+2 hours", True), ("-90min", "-90 minutes", True), ("1D", "+1 day", False), ("7s", "+7 seconds", False)],
)
def test_one_distance_for_all_rows_is_found(distance: str, words: str, zone: bool) -> None:
    now = BEFORE.assign(ds=BEFORE["ds"] + pd.Timedelta(distance))
    later = series("a", 30, start="2024-03-01")  # the arrival is longer, and lost its first two rows

    for arrival in (now, pd.concat([now.iloc[2:], later], ignore_index=True)):
        found = time_shift(arrival, BEFORE)
        assert found == (pd.Timedelta(distance),)
        assert (describe_shift(found), may_be_time_zone(found)) == (words, zone)


@pytest.mark.parametrize(
    ("zone", "frequency", "words"),
    [
        ("Europe/Berlin", "D", "-2 hours or -1 hour"),
        ("Europe/London", "D", "-1 hour or not at all"),
        ("Australia/Sydney", "h", "-11 hours or -10 hours"),
    ],
)
def test_a_change_between_local_time_and_utc_moves_by_two_distances(zone: str, frequency: str, words: str) -> None:
    before = series("a", 400 if frequency == "D" else 9_000, frequency=frequency)
    local = before["ds"].dt.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")

    shift = time_shift(before.assign(ds=local.dt.tz_convert("UTC").dt.tz_localize(None)), before)

    assert describe_shift(shift) == f"{words}, as with daylight saving time"
    assert may_be_time_zone(shift)


def test_counts_that_moved_are_told_from_those_that_repeat() -> None:
    before = series("a", 500, frequency="h").assign(y=RANDOM.integers(0, 8, 500))  # one in eight is equal by chance

    assert time_shift(before.assign(ds=before["ds"] + pd.Timedelta("2h")), before) == (pd.Timedelta("2h"),)


def test_numbered_observations_move_without_a_unit() -> None:
    before = pd.DataFrame({"unique_id": "a", "ds": np.arange(40), "y": RANDOM.normal(size=40)})

    found = time_shift(before.assign(ds=before["ds"] - 3), before)

    assert (describe_shift(found), may_be_time_zone(found)) == ("-3", False)


def test_other_values_at_the_moved_times_are_no_shift() -> None:
    moved = BEFORE.assign(ds=BEFORE["ds"] + pd.Timedelta("2h"))
    sparse = BEFORE.assign(y=0.0)

    assert time_shift(moved.assign(y=moved["y"].sample(frac=1, random_state=1).to_numpy()), BEFORE) == ()
    assert time_shift(BEFORE.iloc[20:], BEFORE) == ()  # rows were lost
    assert time_shift(sparse[sparse["ds"] >= "2024-01-20"], sparse) == ()  # a moved row has the same value by chance
    assert time_shift(BEFORE.assign(unique_id="d"), BEFORE) == ()

"""Grids: what pandas says, series by series, for all series at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gristmill.domains.timeseries.data.grid import Grid, after, infer_frequency, is_finer_than_a_day, on_grid, positions
from gristmill.errors import DataError

FREQUENCIES = [
    "D",
    "2D",
    "h",
    "15min",
    "36h",
    "s",
    "MS",
    "2MS",
    "ME",
    "W-SUN",
    "2W-TUE",
    "B",
    "QS-JAN",
    "QE-DEC",
    "YS-JAN",
]
FREQUENCIES += ["YE-DEC", "SMS", "bh", "WOM-3FRI", "BME"]


def row(position: int) -> str:
    return f"row {position}"


def laid_out(*series: Sequence[Any], frequency: str, inferred: bool = False) -> Grid:
    """Lay series of times on a grid."""
    firsts = np.cumsum([0, *(len(times) for times in series[:-1])])
    whole = pd.Index(np.concatenate([np.asarray(times) for times in series]))
    whole = whole.as_unit("us") if isinstance(whole, pd.DatetimeIndex) else whole
    return on_grid(whole, firsts, frequency, inferred, row)


def refusal(*series: Sequence[Any], frequency: str, inferred: bool = False) -> str:
    with pytest.raises(DataError) as raised:
        laid_out(*series, frequency=frequency, inferred=inferred)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("start", ["1999-12-31", "2020-02-28 13:37:05"])
def test_the_grid_is_what_pandas_makes_of_start_and_end(frequency: str, start: str) -> None:
    whole = pd.date_range(start, periods=40, freq=frequency)
    rows = np.delete(np.arange(40), [3, 4, 20])
    grid = laid_out(whole[rows], frequency=frequency)
    assert grid.times.tolist() == whole.tolist()
    assert (grid.slots.tolist(), grid.sizes.tolist()) == (rows.tolist(), [40])


@settings(max_examples=60)
@given(
    st.sampled_from(FREQUENCIES),
    st.lists(
        st.tuples(st.integers(0, 30_000), st.lists(st.booleans(), min_size=1, max_size=12)), min_size=1, max_size=4
    ),
)
def test_every_series_has_its_own_start_and_end(frequency: str, parts: list[tuple[int, list[bool]]]) -> None:
    """Compared with one grid by pandas a series."""
    grids = [
        pd.date_range(pd.Timestamp("2001-01-01") + pd.Timedelta(hours=hours), periods=len(there) + 2, freq=frequency)
        for hours, there in parts
    ]
    assume(not frequency.endswith("bh") or all(times[0].hour != 17 for times in grids))  # pandas' other word for 9
    kept = [np.array([True, *there, True]) for _, there in parts]
    grid = laid_out(*(times[mask] for times, mask in zip(grids, kept, strict=True)), frequency=frequency)
    assert grid.times.tolist() == [time for times in grids for time in times]
    assert grid.sizes.tolist() == [len(times) for times in grids]
    assert grid.slots.tolist() == np.flatnonzero(np.concatenate(kept)).tolist()


def test_numbered_observations_have_a_grid_too() -> None:
    grid = laid_out([-4, 0, 2], [1, 5], frequency="2")
    assert grid.times.tolist() == [-4, -2, 0, 2, 1, 3, 5]
    assert grid.times.dtype == np.int64
    assert (grid.sizes.tolist(), grid.slots.tolist()) == ([4, 3], [0, 2, 3, 4, 6])


def test_values_are_spread_to_their_points() -> None:
    grid = laid_out([0, 2], [7], frequency="1")
    assert np.array_equal(grid.spread(np.array([1.0, 2.0, 3.0])), [1, np.nan, 2, 3], equal_nan=True)


@pytest.mark.parametrize(
    ("times", "frequency", "told"),
    [
        (
            ["2020-01-01 00:00", "2020-01-01 01:00", "2020-01-01 01:30"],
            "h",
            "row 2: 2020-01-01 01:30:00 is not on the grid of frequency h that starts at 2020-01-01 00:00:00 (1 such",
        ),
        (
            ["2020-01-01", "2020-01-02 12:00", "2020-01-03"],
            "D",
            "row 1: 2020-01-02 12:00:00 is not on the grid of frequency D that",
        ),
        (
            ["2020-01-01", "2020-02-01 01:00"],
            "MS",
            "row 1: 2020-02-01 01:00:00 is not on the grid of frequency MS that",
        ),
        (["2020-01-01", "2020-01-02"], "2D", "row 1: 2020-01-02 00:00:00 is not on the grid of frequency 2D that"),
        (["2020-01-01", "2020-02-01"], "2MS", "row 1: 2020-02-01 00:00:00 is not on the grid of frequency 2MS that"),
        (
            ["2020-01-15", "2020-02-15"],
            "MS",
            "row 0: 2020-01-15 00:00:00 is not on the grid of frequency MS (2 such rows)",
        ),
        (
            ["2020-01-04", "2020-01-06"],
            "B",
            "row 0: 2020-01-04 00:00:00 is not on the grid of frequency B (2 such rows)",
        ),
    ],
)
def test_a_row_off_the_grid_is_refused(times: list[str], frequency: str, told: str) -> None:
    message = refusal(pd.DatetimeIndex(times), frequency=frequency)
    assert message.startswith(told)
    assert "Fix the times, or set frequency in the table 'ingest'" in message


def test_a_row_off_the_grid_of_its_own_series_is_refused() -> None:
    days = pd.date_range("2020-01-01", periods=3)
    assert laid_out(days, days + pd.Timedelta(hours=12), frequency="D").sizes.tolist() == [3, 3]
    late = [days[0], days[1], days[2] + pd.Timedelta(hours=1)]
    assert refusal(days, pd.DatetimeIndex(late), frequency="D").startswith(
        "row 5: 2020-01-03 01:00:00 is not on the grid"
    )
    assert refusal([0, 2], [1, 3, 4], frequency="2").startswith(
        "row 4: 4 is not on the grid of frequency 2 that starts at 1"
    )


@pytest.mark.parametrize("frequency", ["fortnight", "M", "0D", "0h", "0MS", "-1D", "ns", "", "1"])
def test_a_frequency_that_is_none_is_refused(frequency: str) -> None:
    message = refusal(pd.date_range("2020-01-01", periods=3), frequency=frequency)
    assert message.startswith(f"row 0: frequency '{frequency}' in the table 'ingest': ")
    assert message.endswith("Expected a pandas alias: 'D', 'MS', 'h'.")


@pytest.mark.parametrize("frequency", ["D", "0", "-1", "1.5", ""])
def test_a_distance_that_is_none_is_refused(frequency: str) -> None:
    assert f"frequency '{frequency}' in the table 'ingest': not a whole number above 0" in refusal(
        [1, 2], frequency=frequency
    )


def test_series_of_several_frequencies_are_refused() -> None:
    """Every row of the monthly one is on the daily grid; but to fill it would be to make up nearly all of it."""
    days, months = pd.date_range("2020-01-01", periods=100), pd.date_range("2020-01-01", periods=30, freq="MS")
    message = refusal(days, months, frequency="D", inferred=True)
    assert message.startswith(
        "row 100 begins a series in which 853 of 883 times have no row at frequency D: the times have several"
    )
    assert "set frequency in the table 'ingest'" in message
    assert laid_out(days, months, frequency="D").sizes.tolist() == [100, 883]


def test_a_time_far_off_is_refused_before_the_grid_is_made() -> None:
    far = pd.DatetimeIndex(["2020-01-01", "2020-01-02", "9020-01-03"])
    assert "begins a series in which 2556697 of 2556700 times have no row" in refusal(far, frequency="D", inferred=True)
    mistyped = pd.date_range("2026-01-01", periods=20).append(pd.DatetimeIndex(["2920-01-21"]))
    assert "(the widest gap ends at 2920-01-21 00:00:00, row 20)" in refusal(mistyped, frequency="D")
    assert "row 0 begins a series in which" in refusal(far, frequency="s")
    assert "correct frequency in the table 'ingest'" in refusal([0, 10**15], frequency="1")


@pytest.mark.parametrize("frequency", ["MS", "ME", "D", "h", "15min", "W-SUN", "B", "QS-JAN", "YS-JAN"])
def test_the_frequency_is_what_most_runs_show(frequency: str) -> None:
    times = pd.date_range("2020-01-01", periods=120, freq=frequency)
    assert infer_frequency(times, "a.csv") == frequency
    assert infer_frequency(times.delete([5, 6, 30, 47, 100]), "a.csv") == frequency


def test_runs_do_not_reach_over_the_end_of_a_series() -> None:
    short = [pd.date_range(start, periods=5, freq="MS") for start in ("2020-01-01", "1990-04-01", "2005-07-01")]
    assert infer_frequency(short[0].append(short[1:]), "a.csv", np.array([0, 5, 10])) == "MS"


def test_the_frequency_of_most_series_wins() -> None:
    days, months = pd.date_range("2020-01-01", periods=24), pd.date_range("2020-01-01", periods=60, freq="MS")
    assert infer_frequency(days.append(months), "a.csv", np.array([0, 24])) == "MS"


def test_of_numbers_the_most_common_distance_counts() -> None:
    assert infer_frequency(pd.Index([0, 5, 10, 20, 25, 1000]), "a.csv") == "5"
    assert infer_frequency(pd.Index([0, 1, 2, 100, 103, 106, 109]), "a.csv", np.array([0, 3])) == "3"


def test_too_few_rows_and_no_frequency_are_told_apart() -> None:
    irregular = pd.DatetimeIndex([f"2020-01-{day:02}" for day in (1, 2, 4, 8, 16, 23)])
    with pytest.raises(DataError, match=r"^a\.csv: the times follow no regular frequency\. Set frequency"):
        infer_frequency(irregular, "a.csv")
    with pytest.raises(DataError, match=r"^a\.csv: 2 rows are too few to infer a frequency\. Set frequency"):
        infer_frequency(irregular[:4], "a.csv", np.array([0, 2]))
    with pytest.raises(DataError, match=r"^a\.csv: 1 rows are too few"):
        infer_frequency(pd.Index([7]), "a.csv")


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_the_next_times_go_on_with_the_grid(frequency: str) -> None:
    times = pd.date_range("2020-02-28 09:00", periods=12, freq=frequency)
    found = after(times[3], 8, frequency)
    assert found.tolist() == times[4:].tolist()
    assert found.dtype == "datetime64[us]"


def test_after_a_time_off_the_grid_come_the_next_on_it() -> None:
    assert after(pd.Timestamp("2020-01-15"), 2, "MS").tolist() == [
        pd.Timestamp("2020-02-01"),
        pd.Timestamp("2020-03-01"),
    ]


@pytest.mark.parametrize("last", [7, np.int64(7)])
def test_the_next_numbers_go_on_with_the_distance(last: Any) -> None:
    assert after(last, 3, "5").tolist() == [12, 17, 22]


def test_no_next_time_is_none() -> None:
    assert len(after(pd.Timestamp("2020-01-01"), 0, "D")) == len(after(1, 0, "1")) == 0


@pytest.mark.parametrize("frequency", ["D", "2W-TUE", "MS", "15min", "B"])
def test_positions_count_from_an_anchor_in_both_directions(frequency: str) -> None:
    times = pd.date_range("2020-01-01", periods=30, freq=frequency)
    assert positions(times, times[10], frequency).tolist() == list(range(-10, 20))
    assert positions(times[20:], times[10], frequency).tolist() == list(range(10, 20))


def test_positions_of_numbers_count_in_steps() -> None:
    assert positions(pd.Index([-5, 0, 10]), 0, "5").tolist() == [-1, 0, 2]


def test_a_day_divides_what_is_finer_from_what_is_not() -> None:
    assert all(is_finer_than_a_day(frequency) for frequency in ("h", "23h", "15min", "s", "us"))
    assert not any(is_finer_than_a_day(frequency) for frequency in ("24h", "D", "36h", "B", "MS", "W-SUN", "none", "1"))

"""Rows in order: by series and time, one for each time."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.timeseries.data.cleaning import Observations, in_order, number_series, without_duplicates
from gristmill.errors import DataError
from gristmill.sources.rows import Rows, UnusableRows

DAYS = pd.date_range("2020-01-01", periods=6).as_unit("us")


SOURCE = Rows(pd.DataFrame(index=range(7)), (Path("a.csv"),), (0,))


def ordered(days: list[int], series: list[int], values: list[float] | None = None) -> tuple[Observations, int]:
    columns = {"y": np.array(np.arange(len(days)) if values is None else values, float)}
    ids = pd.Index(["A", "B"][: max(series) + 1])
    return in_order(Observations(ids, np.array(series), DAYS[days], columns, np.arange(len(days))))


@pytest.mark.parametrize(
    ("cells", "numbers", "ids"),
    [
        (pd.Series(["b", "a", "b", "C"], dtype="str"), [2, 1, 2, 0], ["C", "a", "b"]),
        (pd.Series([10, 9, 10]), [0, 1, 0], ["10", "9"]),
        (pd.Series(pd.Categorical(["x", "y", "x"], categories=["y", "unused", "x"])), [0, 1, 0], ["x", "y"]),
        (pd.Series(["007", "7"], dtype="str"), [0, 1], ["007", "7"]),
    ],
    ids=["text", "whole numbers", "categories", "digits"],
)
def test_series_are_numbered_in_the_order_of_their_names(cells: Any, numbers: list[int], ids: list[str]) -> None:
    found, names = number_series(Rows(pd.DataFrame({"s": cells})), ["s"], "y")
    assert (found.tolist(), names.tolist()) == (numbers, ids)
    assert names.dtype == "str"


def test_a_single_series_has_the_name_it_is_given() -> None:
    found, names = number_series(Rows(pd.DataFrame({"y": [1, 2]})), [], "y")
    assert (found.tolist(), names.tolist()) == ([0, 0], ["y"])


def test_two_columns_name_a_series_together() -> None:
    rows = Rows(pd.DataFrame({"store": ["a", "b", "a"], "item": [1, 1, 2]}))
    found, names = number_series(rows, ["store", "item"], "y")

    assert found.tolist() == [0, 2, 1]
    assert names.tolist() == ["a / 1", "a / 2", "b / 1"]


def test_names_that_would_be_one_after_joining_are_refused() -> None:
    rows = Rows(pd.DataFrame({"s": ["a / b", "a"], "i": ["c", "b / c"]}))

    with pytest.raises(DataError, match=r"names in 's', 'i' contain ' / ', which joins them"):
        number_series(rows, ["s", "i"], "y")


def test_a_row_of_no_series_is_refused() -> None:
    rows = Rows(pd.DataFrame({"s": pd.Series(["a", None, None], index=[2, 3, 4], dtype="str")}))
    with pytest.raises(
        DataError, match=r"row 3, column 's': an empty cell, so the row belongs to no series \(2 such cells\)"
    ):
        number_series(rows, ["s"], "y")


@pytest.mark.fault(22)
def test_rows_are_ordered_by_series_and_time_and_the_late_ones_counted() -> None:
    found, late = ordered([1, 0, 2, 3, 1, 0], [0, 1, 0, 1, 1, 0])
    assert found.series.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.times.tolist() == DAYS[[0, 1, 2, 0, 1, 3]].tolist()
    assert found.columns["y"].tolist() == found.positions.tolist() == [5, 0, 2, 1, 4, 3]
    assert (found.firsts.tolist(), late) == ([0, 3], 2)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=1, max_size=20))
def test_order_is_that_of_a_stable_sort(rows: list[tuple[int, int]]) -> None:
    rows = [(0, 0), *rows]
    found, late = ordered([day for _, day in rows], [series for series, _ in rows])
    assert found.positions.tolist() == sorted(range(len(rows)), key=lambda at: rows[at])
    by_series = [[day for series, day in rows if series == number] for number in (0, 1)]
    assert late == sum(day < before for days in by_series for before, day in pairwise(days))


def test_equal_times_of_two_series_are_no_duplicates() -> None:
    found, _ = ordered([0, 1, 1, 2], [0, 0, 1, 1])
    assert without_duplicates(found, "error", SOURCE) is found


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    ("policy", "values"), [("first", [3, 0, 1, 6]), ("last", [3, 4, 1, 6]), ("mean", [3, 2, 1, 5.5])]
)
def test_of_rows_at_one_time_the_first_the_last_or_their_mean_counts(policy: Any, values: list[float]) -> None:
    """The first and the last of the source, not of the order."""
    found, _ = ordered([2, 3, 2, 1, 2, 3, 3], [0, 0, 0, 0, 0, 1, 1], [0, 1, 2, 3, 4, 6, 5])
    assert found.positions.tolist() == [3, 0, 2, 4, 1, 5, 6]
    expected = values if policy != "last" else [3, 4, 1, 5]
    single = without_duplicates(found, policy, SOURCE)
    assert single.columns["y"].tolist() == expected
    assert single.times.tolist() == DAYS[[1, 2, 3, 3]].tolist()
    assert (single.series.tolist(), single.firsts.tolist()) == ([0, 0, 0, 1], [0, 3])
    assert len(single.positions) == 4


def test_empty_cells_do_not_count_in_a_mean() -> None:
    found, _ = ordered([0, 0, 1, 1], [0] * 4, [1, np.nan, np.nan, np.nan])
    assert np.array_equal(without_duplicates(found, "mean", SOURCE).columns["y"], [1, np.nan], equal_nan=True)


@pytest.mark.fault(22)
def test_duplicates_are_refused_with_both_rows_as_they_stand() -> None:
    found, _ = ordered([1, 0, 1, 1], [0] * 4)
    with pytest.raises(DataError) as raised:
        without_duplicates(found, "error", SOURCE)
    assert str(raised.value) == (
        "a.csv rows 0 and 2: both are 2020-01-02 00:00:00 (2 duplicates). "
        "Keep one row for each time, or set duplicates in the table 'ingest' to the row that counts."
    )
    found, _ = ordered([1, 0, 1, 1], [0, 0, 1, 1])
    with pytest.raises(
        DataError, match=r"^a.csv rows 2 and 3: both are 2020-01-02 00:00:00 of series 'B' \(1 duplicate\)"
    ):
        without_duplicates(found, "error", SOURCE)


def test_all_rows_that_contradict_one_another_are_unusable_but_the_first_of_equal_ones_is_not() -> None:
    days, values = [0, 1, 1, 0, 1, 2, 2], [5, np.nan, np.nan, 5, 7, 3, 3]
    found, _ = ordered(days, [0, 0, 0, 1, 0, 1, 1], values)
    with pytest.raises(UnusableRows) as raised:
        without_duplicates(found, "error", SOURCE)
    other = "another row of that time has other values"
    assert raised.value.reasons == {Path("a.csv"): {1: other, 2: other, 4: other, 6: "repeated row"}}
    assert raised.value.total == 7


def test_rows_are_kept_by_a_mask() -> None:
    found, _ = ordered([0, 1, 2], [0, 0, 1])
    assert found.kept(np.ones(3, bool)) is found
    kept = found.kept(np.array([False, True, True]))
    assert (kept.columns["y"].tolist(), kept.positions.tolist(), kept.firsts.tolist()) == ([1, 2], [1, 2], [0, 1])
    assert kept.of_series(1) == " of series 'B'"
    assert ordered([0], [0])[0].of_series(0) == ""

"""Series cut to their values, with gaps filled, dropped or rejected."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.data.cleaning import CleanSeries, Observations, clean
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError

NAN = np.nan


def cleaned(series: dict[str, dict[str, list[float]]], gaps: str = "error", **settings: Any) -> CleanSeries:
    """Clean series, each given as column to values from 2020-01-01 on; the target is y."""
    names = list(next(iter(series.values())))
    sizes = [len(columns[names[0]]) for columns in series.values()]
    whole = Observations(
        pd.Index(list(series)),
        np.repeat(np.arange(len(series)), sizes),
        pd.DatetimeIndex(np.concatenate([pd.date_range("2020-01-01", periods=size) for size in sizes])),
        {name: np.concatenate([columns[name] for columns in series.values()]).astype(float) for name in names},
    )
    return clean(whole, Ingest.model_validate({"time": "t", "target": "y", "gaps": gaps} | settings), "D", "a.csv")


def refusal(series: dict[str, dict[str, list[float]]], gaps: str = "error", **settings: Any) -> str:
    with pytest.raises(DataError) as raised:
        cleaned(series, gaps, **settings)
    assert len(str(raised.value).splitlines()) == 1
    assert str(raised.value).startswith("a.csv: ")
    return str(raised.value)


def test_a_whole_series_is_left_alone() -> None:
    found = cleaned({"A": {"y": [1, 2, 3]}})
    assert found.series.columns["y"].tolist() == [1, 2, 3]
    assert (found.filled.tolist(), found.dropped, found.empty) == ([False] * 3, 0, 0)
    assert len(found.future.times) == 0


def test_each_series_is_cut_to_its_values() -> None:
    found = cleaned({"A": {"y": [NAN, 1, 2, NAN, NAN]}, "B": {"y": [5, 6]}, "C": {"y": [NAN, 7]}})
    assert found.series.columns["y"].tolist() == [1, 2, 5, 6, 7]
    assert found.series.series.tolist() == [0, 0, 1, 1, 2]
    assert [f"{time:%d}" for time in found.series.times] == ["02", "03", "01", "02", "02"]
    assert found.empty == 4


def test_with_several_targets_a_series_is_where_all_have_values() -> None:
    found = cleaned({"A": {"y": [1, 2, 3, 4, NAN], "z": [NAN, 5, 6, 7, 8]}}, target=["y", "z"])
    assert found.series.columns["y"].tolist() == [2, 3, 4]
    assert found.series.columns["z"].tolist() == [5, 6, 7]
    assert found.empty == 2


def test_targets_that_do_not_meet_are_refused() -> None:
    told = refusal({"A": {"y": [1, NAN], "z": [1, 1]}, "B": {"y": [1, NAN], "z": [NAN, 1]}}, target=["y", "z"])
    assert "the columns 'y', 'z' of series 'B' have no values at the same times" in told


@pytest.mark.parametrize("gaps", ["error", "interpolate", "drop", "seasonal"])
@pytest.mark.parametrize("column", ["y", "wind", "holiday"])
def test_a_column_without_any_value_in_a_series_is_refused(gaps: str, column: str) -> None:
    series = {name: {"y": [1.0, 2, 3], "wind": [1.0, 2, 3], "holiday": [0.0, 1, 0]} for name in "AB"}
    series["B"][column] = [NAN] * 3
    told = refusal(series, gaps, inputs="wind", known="holiday")
    assert told.startswith(f"a.csv: all 3 values of '{column}' of series 'B' are missing. Check the column")


def test_holes_are_refused_with_column_time_and_series() -> None:
    assert refusal({"y": {"y": [1, NAN, NAN, 4]}}) == (
        "a.csv: 2 of 4 values of 'y' are missing at frequency D, the first at 2020-01-02 00:00:00. Complete the file, "
        "set time_format if the times were misread, or set gaps = 'interpolate' in the table 'ingest'."
    )
    told = refusal({"A": {"y": [1, 2], "wind": [1, 2]}, "B": {"y": [1, 2], "wind": [1, NAN]}}, inputs="wind")
    assert "1 of 4 values of 'wind' are missing at frequency D, the first at 2020-01-02 00:00:00 of series 'B'." in told


def test_a_hole_in_what_is_known_ahead_is_refused_in_the_past_and_in_the_future() -> None:
    whole = {"y": [1, 2, 3, NAN, NAN, NAN], "holiday": [0, 1, 0, 1, 0, 1]}
    found = cleaned({"A": whole}, known="holiday")
    assert found.future.columns["holiday"].tolist() == [1, 0, 1]
    assert [f"{time:%d}" for time in found.future.times] == ["04", "05", "06"]
    assert found.empty == 0
    for at, day in ((1, 2), (4, 5)):
        broken = [NAN if place == at else value for place, value in enumerate(whole["holiday"])]
        told = refusal({"A": whole | {"holiday": broken}}, known="holiday")
        assert f"1 of 6 values of 'holiday' are missing at frequency D, the first at 2020-01-0{day}" in told


def test_the_future_ends_with_the_first_column_that_does() -> None:
    columns = {"y": [1, 2, NAN, NAN, NAN, NAN], "a": [1, 2, 3, 4, NAN, NAN], "b": [1, 2, 3, 4, 5, NAN]}
    found = cleaned({"A": columns, "B": {"y": [1, 2], "a": [1, 2], "b": [1, 2]}}, known=["a", "b"])
    assert found.future.columns["a"].tolist() == [3, 4]
    assert found.future.columns["b"].tolist() == [3, 4]
    assert found.empty == 2


@pytest.mark.fault(23)
@pytest.mark.parametrize(
    ("gaps", "wind"),
    [("interpolate", [2, 2, 3, 4, 4]), ("forward_fill", [2, 2, 2, 4, 4]), ("seasonal", [2, 2, 3, 4, 4])],
)
def test_holes_are_filled_and_marked(gaps: str, wind: list[float]) -> None:
    found = cleaned({"A": {"y": [1, 2, 3, 4, 5], "wind": [NAN, 2, NAN, 4, NAN]}}, gaps, inputs="wind")
    assert found.series.columns["wind"].tolist() == wind
    assert found.series.columns["y"].tolist() == [1, 2, 3, 4, 5]
    assert found.filled.tolist() == [True, False, True, False, True]
    assert found.dropped == 0


def test_the_future_is_filled_as_one_with_the_past() -> None:
    columns = {"y": [1, NAN, 3, NAN, NAN], "price": [10, 20, NAN, 40, 50]}
    found = cleaned({"A": columns}, "interpolate", known="price")
    assert found.series.columns["price"].tolist() == [10, 20, 30]
    assert found.series.columns["y"].tolist() == [1, 2, 3]
    assert found.future.columns["price"].tolist() == [40, 50]
    assert found.filled.tolist() == [False, True, True]


def test_what_follows_a_target_does_not_bend_how_it_is_filled() -> None:
    """Beyond its end a target has no value, and the future is no hole of it."""
    found = cleaned({"A": {"y": [1, NAN, 3, NAN], "price": [1, 2, 3, 4]}}, "interpolate", known="price")
    assert found.series.columns["y"].tolist() == [1, 2, 3]
    assert len(found.future.times) == 1


def test_dropped_rows_are_left_out_and_what_remains_follows_on() -> None:
    found = cleaned(
        {"A": {"y": [1, NAN, 3, 4], "wind": [1, 2, NAN, 4]}, "B": {"y": [5, 6], "wind": [5, 6]}}, "drop", inputs="wind"
    )
    assert found.series.columns["y"].tolist() == [1, 4, 5, 6]
    assert [f"{time:%d}" for time in found.series.times] == ["01", "04", "01", "02"]
    assert (found.filled.tolist(), found.dropped) == ([False] * 4, 2)


def test_a_series_of_which_nothing_remains_is_refused() -> None:
    series = {"A": {"y": [1, 2], "wind": [1, 2]}, "B": {"y": [1, NAN, 3], "wind": [NAN, 1, NAN]}}
    assert "no row of series 'B' has all values, so gaps = 'drop' leaves none" in refusal(series, "drop", inputs="wind")

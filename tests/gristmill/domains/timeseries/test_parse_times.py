"""Times as people write them."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.data.times import read_times
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError, RequestError
from gristmill.sources.rows import Rows

DAYS = ["2020-02-28", "2020-02-29", "2020-03-01"]


def read(columns: dict[str, Any], **settings: Any) -> tuple[pd.Index, int]:
    """Read the times of a table; a list is text."""
    frame = pd.DataFrame(
        {name: pd.Series(cells, dtype="str") if isinstance(cells, list) else cells for name, cells in columns.items()}
    )
    frame.index = pd.RangeIndex(2, len(frame) + 2)
    return read_times(Rows(frame), Ingest.model_validate({"time": list(columns), "target": "y"} | settings))


def refusal(columns: dict[str, Any], **settings: Any) -> str:
    with pytest.raises(DataError) as raised:
        read(columns, **settings)
    assert len(str(raised.value).splitlines()) == 1
    return str(raised.value)


@pytest.mark.parametrize(
    ("cells", "time_format"),
    [
        (DAYS, None),
        (["28/02/2020", "29/02/2020", "01/03/2020"], "%d/%m/%Y"),
        (["28/02/2020", "29/02/2020", "01/03/2020"], None),
        (["20200228", "20200229", "20200301"], None),
        (["28 February 2020", "29 February 2020", "1 March 2020"], None),
        (["02/28/2020 12:00 AM", "02/29/2020 12:00 AM", "03/01/2020 12:00 AM"], "%m/%d/%Y %I:%M %p"),
        (["20200228", "20200229", "20200301"], "%Y%m%d"),
        (pd.Series([20200228, 20200229, 20200301]), "%Y%m%d"),
        (pd.to_datetime(pd.Series(DAYS)), None),
        (pd.to_datetime(pd.Series(DAYS)).dt.as_unit("ns"), "%d/%m/%Y"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_text_numbers_and_timestamps_are_read(cells: Any, time_format: str | None) -> None:
    times, converted = read({"t": cells}, time_format=time_format)
    assert isinstance(times, pd.DatetimeIndex)
    assert (times.dtype, converted) == ("datetime64[us]", 0)
    assert times.tolist() == [pd.Timestamp(day) for day in DAYS]


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    ("cells", "converted"),
    [
        ([f"{day}T12:00:00Z" for day in DAYS], 0),
        ([f"{day} 12:00:00+00:00" for day in DAYS], 0),
        ([f"{day}T14:00:00+02:00" for day in DAYS], 3),
        (["2020-02-28T13:00+01:00", "2020-02-29T14:00+02:00", "2020-03-01T12:00Z"], 2),
        (["2020-02-28T12:00Z", "2020-02-29T14:00+02:00", "2020-03-01T02:30-0930"], 2),
    ],
    ids=["Z", "zero", "one offset", "mixed", "mixed from Z"],
)
def test_times_with_offsets_are_brought_to_utc_and_counted(cells: list[str], converted: int) -> None:
    times, count = read({"t": cells})
    assert times.tolist() == [pd.Timestamp(f"{day}T12:00Z") for day in DAYS]
    assert count == converted


def test_offsets_are_read_in_a_format_too() -> None:
    times, count = read({"t": ["28.02.2020 13:00 +0100", "29.02.2020 14:00 +0200"]}, time_format="%d.%m.%Y %H:%M %z")
    assert times.tolist() == [pd.Timestamp(f"{day}T12:00Z") for day in DAYS[:2]]
    assert count == 2


@pytest.mark.fault(22)
@pytest.mark.parametrize("at", [0, 2])
def test_times_with_and_without_an_offset_are_refused(at: int) -> None:
    cells = [f"{day}T12:00{'+01:00' * (place == at)}" for place, day in enumerate(DAYS)]
    bad = at + 2
    assert f"row {bad}, column 't': not a time in the format of the others: '{cells[bad - 2]}'" in refusal({"t": cells})


def test_times_with_a_zone_are_kept_aware() -> None:
    times, count = read({"t": pd.to_datetime(pd.Series(DAYS), utc=True)})
    assert times.tolist() == [pd.Timestamp(day, tz="UTC") for day in DAYS]
    assert count == 0


@pytest.mark.parametrize(
    ("cells", "row", "received"),
    [
        (["2020-02-28", "soon", "2020-02-30"], 3, "'soon' (2 such cells)"),
        (["2020-02-28", None, "2020-03-01"], 3, "an empty cell (1 such cell)"),
        ([None, "2020-02-29"], 2, "an empty cell (1 such cell)"),
        (["soon", "2020-02-29"], 2, "'soon' (1 such cell)"),
        ([None, None], 2, "an empty cell (2 such cells)"),
        (["01/02/2020", "2020-02-02", "2020-02-03"], 2, "'01/02/2020' (1 such cell)"),
        (["2020-02-28", "x" * 1000], 3, f"'{'x' * 56}... (1 such cell)"),
    ],
)
def test_a_cell_that_is_no_time_is_refused_with_its_row(cells: list[Any], row: int, received: str) -> None:
    message = refusal({"t": cells})
    assert (
        f"row {row}, column 't': not a time in the format of the others: {received}. Fix it, set time_format" in message
    )


@pytest.mark.parametrize("empty", [[], [None], [""], ["NaT"]])
@pytest.mark.filterwarnings("error")
def test_text_whose_format_cannot_be_guessed_is_refused_though_each_cell_could_be_read(empty: list[Any]) -> None:
    assert refusal({"t": [*empty, "Mar 2020", "Apr 2020"]}).endswith(
        ": the format cannot be guessed. Fix it, set time_format in the table 'ingest', or name another column as time."
    )


def test_a_missing_timestamp_is_refused() -> None:
    cells = pd.Series([datetime.datetime(2020, 1, 1), pd.NaT])
    assert "row 3, column 't': not a time: an empty cell (1 such cell)" in refusal({"t": cells})


def test_whole_numbers_need_to_be_told_what_they_are() -> None:
    assert "column 't': whole numbers. Set time_format = 'integer'" in refusal({"t": pd.Series([1, 2])})


@pytest.mark.parametrize(
    "cells", [["-1", "0", "7"], pd.Series([-1, 0, 7]), pd.Series([-1, 0, 7], dtype="int8"), ["-1.0", "0", "7e0"]]
)
def test_numbered_observations_are_whole_numbers(cells: Any) -> None:
    times, count = read({"t": cells}, time_format="integer")
    assert times.dtype == np.int64
    assert (times.tolist(), count) == ([-1, 0, 7], 0)


@pytest.mark.parametrize("cell", ["1.5", "many", "1e300", "nan", "inf", None])
def test_a_number_that_is_not_whole_is_refused(cell: str | None) -> None:
    message = refusal({"t": ["1", cell, "3"]}, time_format="integer")
    received = "an empty cell" if cell is None else f"'{cell}'"
    assert f"row 3, column 't': not a whole number: {received} (1 such cell)" in message


def test_timestamps_are_no_numbers() -> None:
    assert "row 2, column 't': not a whole number: Timestamp(" in refusal(
        {"t": pd.to_datetime(pd.Series(DAYS))}, time_format="integer"
    )


def test_times_are_put_together_from_several_columns() -> None:
    columns = {
        "jahr": ["2020", "2021"],
        "monat": pd.Series([2, 12]),
        "tag": ["29", "31"],
        "h": ["0", "23"],
        "min": ["5", "59"],
        "s": ["0", "58"],
    }
    expected = [pd.Timestamp("2020-02-29 00:05"), pd.Timestamp("2021-12-31 23:59:58")]
    assert read(columns)[0].tolist() == expected
    for count, unit in ((5, "min"), (4, "h"), (3, "D")):
        times, _ = read(dict(list(columns.items())[:count]))
        assert times.dtype == "datetime64[us]"
        assert times.tolist() == [time.floor(unit) for time in expected]
    assert read(dict(list(columns.items())[:2]))[0].tolist() == [pd.Timestamp("2020-02-01"), pd.Timestamp("2021-12-01")]


@pytest.mark.parametrize(
    ("column", "cell", "told"),
    [
        ("month", "13", "column 'month': not a valid month: '13'"),
        ("month", "101", "column 'month': not a valid month: '101'"),
        ("day", "0", "column 'day': not a valid day: '0'"),
        ("day", "30", "column 'hour': the day does not exist: '0'"),
        ("hour", "24", "column 'hour': not a valid hour: '24'"),
        ("year", "20.5", "column 'year': not a whole number: '20.5'"),
        ("day", None, "column 'day': not a whole number: an empty cell"),
    ],
)
def test_a_part_of_a_time_that_is_none_is_refused(column: str, cell: Any, told: str) -> None:
    columns = {"year": ["2020", "2020"], "month": ["1", "2"], "day": ["1", "2"], "hour": ["0", "0"]}
    columns[column] = [columns[column][0], cell]
    assert f"row 3, {told} (1 such cell)" in refusal(columns)


@pytest.mark.parametrize(
    ("columns", "settings"),
    [
        ({"a": ["1"], "b": ["1"]}, {"time_format": "integer"}),
        ({"a": ["2020"], "b": ["1"], "c": ["1"]}, {"time_format": "week"}),
        ({"a": ["2020"], "b": ["1"]}, {"time_format": "excel_days"}),
        ({name: ["1"] for name in "abcdefg"}, {}),
    ],
)
def test_settings_that_contradict_each_other_are_refused(columns: dict[str, Any], settings: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="in the table 'ingest'"):
        read(columns, **settings)


@pytest.mark.parametrize(
    ("columns", "time_format"),
    [
        ({"day": ["2020-02-28", "2020-02-29"], "clock": ["23:30", "00:30"]}, None),
        ({"day": ["28.02.2020", "29.02.2020"], "clock": ["23:30", "0:30"]}, "%d.%m.%Y %H:%M"),
        ({"day": ["02/28/20", "02/29/20"], "clock": [" 11:30 PM", "12:30 AM "]}, "%m/%d/%y %I:%M %p"),
        ({"day": pd.to_datetime(pd.Series(DAYS[:2])), "clock": ["23.30.00", "00.30.00"]}, "%Y-%m-%d %H.%M.%S"),
        ({"year": pd.Series([2020] * 2), "yday": pd.Series([59, 60]), "at": ["2330", "0030"]}, "%Y %j %H%M"),
    ],
)
def test_several_columns_are_read_as_one_text(columns: dict[str, Any], time_format: str | None) -> None:
    times, _ = read(columns, time_format=time_format)
    assert times.tolist() == [pd.Timestamp("2020-02-28 23:30"), pd.Timestamp("2020-02-29 00:30")]


def test_an_empty_cell_in_one_of_several_columns_is_refused() -> None:
    columns = {"day": DAYS, "clock": ["00:30", None, "02:30"]}
    assert "row 3, column 'day and clock': not a time in the format of the others: an empty cell" in refusal(columns)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["43889", "43890"], ["2020-02-28", "2020-02-29"]),
        (pd.Series([43889, 43890]), ["2020-02-28", "2020-02-29"]),
        (["43889.97917", "43890.02083"], ["2020-02-28 23:30", "2020-02-29 00:30"]),  # five decimals, as Excel writes
        (["43889.00001", "43889.99999"], ["2020-02-28 00:00:01", "2020-02-28 23:59:59"]),
    ],
)
def test_days_of_spreadsheets_are_read_to_the_second(cells: Any, expected: list[str]) -> None:
    times, _ = read({"date": cells}, time_format="excel_days")
    assert times.tolist() == [pd.Timestamp(time) for time in expected]
    assert "row 3, column 'date': not a number of days such as 45292: 'x'" in refusal(
        {"date": ["43889", "x"]}, time_format="excel_days"
    )


@pytest.mark.parametrize(
    "columns",
    [
        {"year": ["1991", "1991"], "week": ["6", "7"]},
        {"year": pd.Series([1991, 1991]), "week": pd.Series([6, 7])},
        {"year": ["1991", "1991"], "week": ["06", "07"]},
    ],
)
def test_years_and_weeks_may_be_in_two_columns(columns: dict[str, Any]) -> None:
    times, _ = read(columns, time_format="week")
    assert times.tolist() == [pd.Timestamp("1991-02-04"), pd.Timestamp("1991-02-11")]


@pytest.mark.parametrize(
    "columns",
    [
        {"t": ["1974Q3", "1974Q4", "1975Q1"]},
        {"t": ["1974-Q3", "1974 q4", "1975Q1"]},
        {"year": ["1974", "1974", "1975"], "quarter": ["3", "4", "1"]},
        {"year": pd.Series([1974, 1974, 1975]), "quarter": pd.Series([3, 4, 1])},
        {"year": pd.Series([1974, 1974, 1975]), "quarter": ["Q3", "Q4", "Q1"]},
    ],
)
def test_quarters_stand_at_their_first_day(columns: dict[str, Any]) -> None:
    times, converted = read(columns, time_format="quarter")

    assert times.equals(pd.DatetimeIndex(["1974-07-01", "1974-10-01", "1975-01-01"]).as_unit("us"))
    assert converted == 0


@pytest.mark.parametrize("cells", [["1974Q1", "1974Q5"], ["1974Q1", "1974"], ["1974Q1", None]])
def test_what_is_no_quarter_is_refused_with_its_row(cells: list[str | None]) -> None:
    message = refusal({"t": cells}, time_format="quarter")

    assert "row 3, column 't': not a quarter such as 1974Q1" in message


@pytest.mark.parametrize(
    "cells",
    [
        ["1991 W06", "1991-W07", "1991w8"],
        ["1991-02-04/1991-02-10", "1991W7", "1991 Week 8"],
        ["199106", "199107", "1991-W08-1"],
    ],
)
def test_a_week_is_read_as_its_monday(cells: list[str]) -> None:
    times, _ = read({"t": cells}, time_format="week")
    assert times.equals(pd.DatetimeIndex(["1991-02-04", "1991-02-11", "1991-02-18"]).as_unit("us"))
    assert "row 3, column 't': not a week such as 1991-W06" in refusal({"t": [cells[0], "1991W54"]}, time_format="week")


@pytest.mark.parametrize(
    "cells", [[1981.92, 1982.0, 1982.08], ["1981.917", "1982", "1982.083"], [1981.96, 1982.04, 1982.125]]
)
def test_the_decimals_of_a_year_tell_the_month(cells: list[float | str]) -> None:
    times, _ = read({"t": pd.Series(cells)}, time_format="decimal_year")
    assert times.equals(pd.DatetimeIndex(["1981-12-01", "1982-01-01", "1982-02-01"]).as_unit("us"))
    message = refusal({"t": [1982.0, 1982.02]}, time_format="decimal_year")
    assert "row 3, column 't': not a year with twelfths such as 1982.25" in message


def test_decimal_years_are_all_beginnings_or_all_middles_of_months() -> None:
    for cells in ([1960.0, 1960.042, 1960.083], [0.5, 0.583]):  # half months; no years
        assert "not a year with twelfths such as 1982.25" in refusal({"t": cells}, time_format="decimal_year")


def test_a_year_of_two_digits_is_in_this_century_up_to_49() -> None:
    times, _ = read({"t": ["Dec-49", "Jan-50", "Jan-60"]}, time_format="%b-%y")
    assert times.equals(pd.DatetimeIndex(["2049-12-01", "1950-01-01", "1960-01-01"]).as_unit("us"))


def test_quarters_stand_in_two_columns_at_most() -> None:
    with pytest.raises(RequestError, match="requires one time column, or a year and a quarter column"):
        read({"year": ["1974"], "quarter": ["1"], "day": ["1"]}, time_format="quarter")


@pytest.mark.parametrize(("time_format", "factor"), [("epoch_seconds", 1), ("epoch_milliseconds", 1000)])
def test_counts_since_1970_are_times_in_utc(time_format: str, factor: int) -> None:
    counts = [str(int(pd.Timestamp(day).timestamp()) * factor) for day in DAYS]
    for cells in (counts, pd.Series(map(int, counts))):
        times, converted = read({"t": cells}, time_format=time_format)

        assert times.tolist() == [pd.Timestamp(day, tz="UTC") for day in DAYS]
        assert (times.dtype, converted) == ("datetime64[us, UTC]", 0)

    assert "row 3, column 't': not a whole number: 'soon'" in refusal({"t": ["1", "soon"]}, time_format=time_format)
    assert "row 2, column 't'" in refusal({"t": [str(2**53)]}, time_format="epoch_seconds")

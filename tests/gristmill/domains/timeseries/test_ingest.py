"""Rows become regular series, or one line says why not."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from gristmill.domains.timeseries.ingest import ingest
from gristmill.domains.timeseries.settings import Ingest
from gristmill.errors import DataError, RequestError
from gristmill.sources.series.synthetic import Synthetic
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.parquet import Parquet
from gristmill.util.table_io import read_document, read_table

DAYS = [f"{day:%Y-%m-%d}" for day in pd.date_range("2020-02-20", periods=40, freq="D")]

FILES = ("series", "future")

Run = Callable[..., tuple[dict[str, int], pd.DataFrame, dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Ingest rows of (time, value) and return the counts, the series and the summary."""

    def call(
        rows: Iterable[tuple[str, object]], **settings: Any
    ) -> tuple[dict[str, int], pd.DataFrame, dict[str, Any]]:
        lines = [f"{time},{value}" for time, value in rows]
        return ingested(tmp_path, {"series.csv": ["t,y", *lines]}, **settings)

    return call


def ingested(
    folder: Path, files: dict[str, list[str]], **settings: Any
) -> tuple[dict[str, int], pd.DataFrame, dict[str, Any]]:
    """Ingest files given by their lines, column y at the times t unless said otherwise."""
    paths = [folder / name for name in files]
    for path, lines in zip(paths, files.values(), strict=True):
        path.write_text("".join(f"{line}\n" for line in lines))
    (folder / "out").mkdir(exist_ok=True)
    meaning = Ingest.model_validate({"time": "t", "target": "y"} | settings)
    counts = ingest(source=Csv(kind="csv", path="*.csv"), ingest=meaning, out=folder / "out", paths=tuple(paths))
    return counts, read_table(folder / "out/series.parquet"), read_document(folder / "out/summary.json")


def numbered(times: Iterable[str]) -> list[tuple[str, object]]:
    """Return the times with values 0, 1, 2, …"""
    return [(time, value) for value, time in enumerate(times)]


def refusal(run: Run, rows: Iterable[tuple[str, object]], **settings: Any) -> str:
    """Return the message of the refusal, which is one line and names the file."""
    with pytest.raises(DataError) as caught:
        run(rows, **settings)
    message = str(caught.value)
    assert "series.csv" in message
    assert len(message.splitlines()) == 1
    return message


def test_the_series_and_its_summary_are_written(run: Run) -> None:
    counts, series, summary = run([("2020-01-01", 1), ("2020-01-02", 2), ("2020-01-03", 6)])

    assert counts == {"rows": 3}
    assert series.columns.tolist() == ["unique_id", "ds", "y", "filled"]
    assert [str(kind) for kind in series.dtypes] == ["str", "datetime64[us]", "float64", "bool"]
    assert series["unique_id"].tolist() == ["y"] * 3
    assert series["ds"].tolist() == pd.date_range("2020-01-01", periods=3).tolist()
    assert series["y"].tolist() == [1, 2, 6]
    assert not series["filled"].any()
    assert summary == {
        "targets": ["y"],
        "inputs": [],
        "known": [],
        "frequency": "D",
        "line_ends": True,
        "series": 1,
        "missing": {"y": 0},
        "first": "2020-01-01 00:00:00",
        "last": "2020-01-03 00:00:00",
        "counts": counts,
        "statistics": {
            "y": {
                "mean": 3,
                "deviation": pytest.approx(np.sqrt(14 / 3)),
                "min": 1,
                "quarter": 1.5,
                "median": 2,
                "three_quarters": 4,
                "max": 6,
            }
        },
    }


@pytest.mark.parametrize(
    ("frequency", "start", "form"),
    [
        ("MS", "1749-01-01", "%Y-%m"),
        ("MS", "2020-01-01", "%Y-%m-%d"),
        ("ME", "1749-01-31", "%Y-%m-%d"),
        ("D", "2020-01-01", "%Y-%m-%d"),
        ("D", "2020-01-01", "%Y/%m/%d"),
        ("h", "2020-01-01", "%Y-%m-%d %H:%M"),
        ("W-TUE", "2020-01-07", "%Y-%m-%d"),
        ("B", "2020-01-01", "%Y-%m-%d"),
        ("QS-JAN", "2020-01-01", "%Y-%m-%d"),
        ("YS-JAN", "1700-01-01", "%Y"),
    ],
)
def test_the_frequency_is_inferred(run: Run, frequency: str, start: str, form: str) -> None:
    times = pd.date_range(start, periods=50, freq=frequency)

    _, series, summary = run(numbered(times.strftime(form)))

    assert summary["frequency"] == frequency
    assert series["ds"].tolist() == times.tolist()


@pytest.mark.parametrize("frequency", ["MS", "ME", "D", "h", "W-SUN"])
def test_the_frequency_is_inferred_across_gaps(run: Run, frequency: str) -> None:
    times = pd.date_range("2020-01-01", periods=80, freq=frequency)
    kept = times.delete([5, 6, 30, 47])

    counts, series, summary = run(numbered(kept.strftime("%Y-%m-%d %H:%M")), gaps="interpolate")

    assert summary["frequency"] == frequency
    assert counts == {"rows": 80, "filled": 4}
    assert series["ds"].tolist() == times.tolist()


def test_times_without_a_frequency_are_refused(run: Run) -> None:
    irregular = [DAYS[at] for at in (0, 1, 3, 7, 15, 22)]

    assert "follow no regular frequency. Set frequency in the table 'ingest'" in refusal(run, numbered(irregular))
    assert "2 rows are too few to infer a frequency" in refusal(run, numbered(DAYS[:2]))


def test_a_frequency_that_the_times_do_not_follow_is_refused(run: Run) -> None:
    message = refusal(run, numbered(DAYS[10:]), frequency="MS")  # from 2020-03-01 on

    assert "row 3: 2020-03-02 00:00:00 is not on the grid of frequency MS" in message
    assert "(29 such rows)" in message  # all but the first of March; the series ends on 2020-03-30

    assert "are missing at frequency h, the first at 2020-02-20 01:00" in refusal(run, numbered(DAYS), frequency="h")


@pytest.mark.parametrize("frequency", ["fortnight", "M", "0D", "0h", "0MS", "0W"])
def test_a_frequency_that_pandas_does_not_know_is_refused(run: Run, frequency: str) -> None:
    assert f"frequency '{frequency}' in the table 'ingest'" in refusal(run, numbered(DAYS), frequency=frequency)


def test_a_time_off_the_grid_is_refused_with_its_row(run: Run) -> None:
    hours = [f"2020-01-01 {hour:02}:00" for hour in range(20)]

    message = refusal(run, numbered([*hours, "2020-01-01 19:30"]))

    assert "row 22: 2020-01-01 19:30:00 is not on the grid of frequency h" in message
    assert "(1 such row)" in message


@pytest.mark.fault(22)
def test_a_time_that_stands_twice_is_refused_with_both_rows(run: Run) -> None:
    message = refusal(run, numbered([*DAYS[:5], DAYS[3], *DAYS[5:]]))

    assert "rows 5 and 7: both are 2020-02-23 00:00:00 (1 duplicate)" in message


@pytest.mark.fault(22)
def test_rows_out_of_order_are_put_in_order_and_counted(run: Run) -> None:
    times = [DAYS[1], DAYS[0], *DAYS[2:10], DAYS[12], DAYS[11], DAYS[10], *DAYS[13:]]

    counts, series, _ = run([(time, DAYS.index(time)) for time in times])

    assert counts["out_of_order"] == 3
    assert series["ds"].tolist() == pd.to_datetime(DAYS).tolist()
    assert series["y"].tolist() == list(range(40))


def test_missing_times_are_refused_with_the_first_and_the_remedy(run: Run) -> None:
    message = refusal(run, numbered(DAYS[:20] + DAYS[23:30] + DAYS[31:]))

    assert "4 of 40 values of 'y' are missing at frequency D, the first at 2020-03-11 00:00" in message
    assert "set time_format if the times were misread, or set gaps = 'interpolate'" in message


@pytest.mark.fault(23)
def test_empty_values_are_refused_where_gaps_are(run: Run) -> None:
    rows = [(time, "" if at == 5 else at) for at, time in enumerate(DAYS)]

    assert "1 of 40 values of 'y' are missing at frequency D, the first at 2020-02-25 00:00" in refusal(run, rows)


@pytest.mark.fault(23)
def test_missing_times_and_empty_values_are_interpolated_and_counted(run: Run) -> None:
    rows = [(time, "" if at == 5 else at * at) for at, time in enumerate(DAYS) if at not in (20, 21)]

    counts, series, summary = run(rows, gaps="interpolate")

    assert counts == {"rows": 40, "filled": 3}
    assert summary["counts"] == counts
    assert series["filled"].tolist() == [at in (5, 20, 21) for at in range(40)]
    assert series["ds"].tolist() == pd.to_datetime(DAYS).tolist()
    expected = [float(at * at) for at in range(40)]
    expected[5] = (4 * 4 + 6 * 6) / 2
    expected[20] = 19 * 19 + (22 * 22 - 19 * 19) / 3
    expected[21] = 19 * 19 + (22 * 22 - 19 * 19) * 2 / 3
    assert series["y"].tolist() == pytest.approx(expected)


@pytest.mark.fault(23)
@pytest.mark.parametrize("gaps", ["error", "interpolate"])
def test_values_missing_at_the_ends_are_cut_off_not_invented_and_counted(run: Run, gaps: str) -> None:
    rows = [(time, "" if at in (0, 38, 39) else at) for at, time in enumerate(DAYS)]

    counts, series, summary = run(rows, gaps=gaps)

    assert counts == {"rows": 37, "empty_at_the_ends": 3}
    assert summary["counts"] == counts
    assert series["y"].tolist() == list(range(1, 38))
    assert (summary["first"], summary["last"]) == ("2020-02-21 00:00:00", "2020-03-28 00:00:00")


def test_values_missing_at_the_ends_and_inside_are_counted_apart(run: Run) -> None:
    rows = [(time, "" if at in (0, 1, 20, 39) else at) for at, time in enumerate(DAYS) if at not in (10, 38)]

    counts, series, _ = run(rows, gaps="interpolate")

    assert counts == {"rows": 36, "filled": 2, "empty_at_the_ends": 4}  # 38 has no row
    assert series["y"].tolist() == pytest.approx(list(range(2, 38)))
    assert "2 of 36 values of 'y' are missing at frequency D, the first at 2020-03-01 00:00" in refusal(run, rows)


@pytest.mark.parametrize("gaps", ["error", "interpolate"])
def test_a_target_without_any_value_is_refused(run: Run, gaps: str) -> None:
    message = refusal(run, [(time, "") for time in DAYS], gaps=gaps)

    assert "series.csv: all 40 values of 'y' are missing. Check the column" in message


@pytest.mark.parametrize("cell", ["soon", "2020-02-30", "05/06/2020"])
def test_a_time_that_cannot_be_read_is_refused_with_its_row(run: Run, cell: str) -> None:
    message = refusal(run, numbered([*DAYS[:5], cell, *DAYS[5:]]))

    assert f"row 7, column 't': not a time in the format of the others: '{cell}' (1 such cell)" in message


def test_an_empty_time_is_refused_with_its_row(run: Run) -> None:
    assert "row 4, column 't': not a time in the format of the others: an empty cell" in refusal(
        run, numbered([*DAYS[:2], "", *DAYS[2:]])
    )


@pytest.mark.parametrize("cell", ["soon", "1", "1.5", "2020-02-30", "99999-01-01"])
def test_a_first_time_that_cannot_be_read_is_refused(run: Run, cell: str) -> None:
    message = refusal(run, numbered([cell, *DAYS]))

    assert "column 't': not" in message
    assert f"'{cell}'" in message
    assert "set time_format in the table 'ingest'" in message


def test_a_first_time_that_is_empty_is_refused_with_its_row(run: Run) -> None:
    assert "row 2, column 't': not a time in the format of the others: an empty cell (1 such cell)" in refusal(
        run, numbered(["", *DAYS])
    )


@pytest.mark.parametrize("at", [0, 3])
def test_a_huge_time_is_shortened_in_the_message(run: Run, at: int) -> None:
    message = refusal(run, numbered([*DAYS[:at], "x" * 100_000, *DAYS[at:]]))

    assert f"'{'x' * 56}..." in message
    assert "x" * 57 not in message


@pytest.mark.parametrize("start", ["2020-02-01", "2020-02-20"])
def test_times_are_read_in_the_format_of_the_settings(run: Run, start: str) -> None:
    """Of 01/02/2020 nothing can tell whether it is in January or in February."""
    times = pd.date_range(start, periods=40, freq="D")

    _, series, summary = run(numbered(times.strftime("%d/%m/%Y")), time_format="%d/%m/%Y")

    assert summary["frequency"] == "D"
    assert series["ds"].tolist() == times.tolist()
    assert series["y"].tolist() == list(range(40))


def test_months_whose_day_comes_first_are_refused_with_the_setting_that_reads_them(run: Run) -> None:
    times = pd.date_range("2020-01-01", periods=36, freq="MS")
    rows = numbered(times.strftime("%d/%m/%Y"))

    message = refusal(run, rows)
    assert "707 of 743 times have no row at frequency D" in message  # read as the first days of three Januaries
    assert "set time_format if they were misread" in message
    _, series, summary = run(rows, time_format="%d/%m/%Y")
    assert summary["frequency"] == "MS"
    assert series["ds"].tolist() == times.tolist()


@pytest.mark.filterwarnings("error")
def test_a_day_that_can_only_come_first_is_read_as_one_without_a_warning(run: Run) -> None:
    times = pd.date_range("2020-02-20", periods=40, freq="D")

    _, series, _ = run(numbered(times.strftime("%d/%m/%Y")))

    assert series["ds"].tolist() == times.tolist()


def test_times_in_another_format_than_that_of_the_settings_are_refused_with_the_first_row(run: Run) -> None:
    message = refusal(run, numbered(DAYS), time_format="%d/%m/%Y")

    assert "row 2, column 't': not a time in the format of" in message
    assert "'2020-02-20' (40 such cells)" in message


@pytest.mark.parametrize("time_format", ["%Q", "%Y-%m-%d%", "%Y-%Y"])
def test_a_format_that_is_none_is_refused(run: Run, time_format: str) -> None:
    assert "set time_format in the table 'ingest'" in refusal(run, numbered(DAYS), time_format=time_format)


def test_rows_are_named_as_they_stand_in_the_file_after_blank_lines(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="rows 2 and 5"):
        ingested(tmp_path, {"blank.csv": ["t,y", "2020-01-01,1", "", "2020-01-02,2", "2020-01-01,3"]}, frequency="D")


@pytest.mark.fault(22)
def test_times_with_offsets_are_utc(run: Run) -> None:
    counts, series, summary = run(numbered(f"{day}T01:00:00+01:00" for day in DAYS))

    assert counts == {"rows": 40, "converted_to_utc": 40}
    assert summary["frequency"] == "D"
    assert series["ds"].tolist() == pd.to_datetime(DAYS).tolist()


@pytest.mark.fault(22)
def test_offsets_that_change_with_the_clock_make_an_hourly_series(run: Run) -> None:
    hours = pd.date_range("2023-10-28", periods=72, freq="h", tz="Europe/Berlin")

    counts, series, summary = run(numbered(hours.strftime("%Y-%m-%dT%H:%M:%S%z")))

    assert (counts, summary["frequency"]) == ({"rows": 72, "converted_to_utc": 72}, "h")
    assert series["ds"].tolist() == hours.tz_convert("UTC").tz_localize(None).tolist()


def test_midnights_with_offsets_are_days_where_the_zone_is_named(run: Run) -> None:
    days = pd.date_range("2023-10-01", periods=60, freq="D", tz="Europe/Berlin")
    rows = numbered(days.strftime("%Y-%m-%dT%H:%M:%S%z"))

    assert "is not on the grid of frequency D" in refusal(run, rows)
    assert "or timezone if the clock changes with it" in refusal(run, rows)
    _, series, summary = run(rows, timezone="Europe/Berlin")
    assert summary["frequency"] == "D"
    assert series["ds"].tolist() == days.tz_localize(None).tolist()


@pytest.mark.fault(22)
def test_the_clock_of_a_zone_makes_an_hourly_series_in_utc(run: Run) -> None:
    hours = pd.date_range("2023-10-28", periods=72, freq="h", tz="Europe/Berlin")
    rows = numbered(hours.strftime("%Y-%m-%d %H:%M"))

    assert "rows 28 and 29: both are 2023-10-29 02:00:00 (1 duplicate)" in refusal(run, rows)
    counts, series, _ = run(rows, timezone="Europe/Berlin")
    assert counts == {"rows": 72, "converted_to_utc": 72}
    assert series["ds"].tolist() == hours.tz_convert("UTC").tz_localize(None).tolist()
    assert series["y"].tolist() == list(range(72))


@pytest.mark.fault(22)
def test_of_duplicates_one_row_counts_where_the_settings_say_which(run: Run) -> None:
    rows = numbered([*DAYS, DAYS[3], DAYS[3]])

    for policy, value in (("first", 3), ("last", 41), ("mean", (3 + 40 + 41) / 3)):
        counts, series, _ = run(rows, duplicates=policy)
        assert counts == {"rows": 40, "duplicates": 2, "out_of_order": 1}
        assert series["y"].iloc[3] == value


def test_many_series_are_sorted_and_each_on_its_own_grid(tmp_path: Path) -> None:
    lines = [f"{day},{name},{at}" for at, day in enumerate(DAYS[:6]) for name in ("b", "a") if (name, at) != ("b", 2)]

    counts, series, summary = ingested(
        tmp_path, {"sales.csv": ["t,shop,y", *lines, f"{DAYS[6]},b,6"]}, series="shop", gaps="interpolate"
    )

    assert counts == {"rows": 13, "series": 2, "filled": 1}
    assert (summary["series"], summary["first"], summary["last"]) == (2, f"{DAYS[0]} 00:00:00", f"{DAYS[6]} 00:00:00")
    assert series["unique_id"].tolist() == ["a"] * 6 + ["b"] * 7
    assert series["ds"].tolist() == pd.to_datetime([*DAYS[:6], *DAYS[:7]]).tolist()
    assert series["y"].tolist() == [*range(6), *range(7)]


def test_a_single_series_that_has_a_name_keeps_it(tmp_path: Path) -> None:
    lines = ["t,shop,y", *(f"{day},north,1" for day in DAYS)]
    counts, series, _ = ingested(tmp_path, {"sales.csv": lines}, series="shop")
    assert counts == {"rows": 40}
    assert set(series["unique_id"]) == {"north"}


def test_errors_of_many_series_name_the_series(tmp_path: Path) -> None:
    lines = ["t,shop,y", *(f"{day},{shop},1" for shop in ("north", "south") for day in DAYS)]

    with pytest.raises(
        DataError, match=r"rows 43 and 82: both are 2020-02-21 00:00:00 of series 'south' \(1 duplicate\)"
    ):
        ingested(tmp_path, {"sales.csv": [*lines, f"{DAYS[1]},south,1"]}, series="shop")
    with pytest.raises(
        DataError, match=r"1 of 80 values of 'y' are missing .* the first at 2020-02-22 00:00:00 of series 'north'"
    ):
        ingested(tmp_path, {"sales.csv": [*lines[:3], *lines[4:]]}, series="shop")
    with pytest.raises(DataError, match="row 4, column 'shop': an empty cell, so the row belongs to no series"):
        ingested(tmp_path, {"sales.csv": [*lines[:3], f"{DAYS[2]},,1", *lines[4:]]}, series="shop")


def test_a_series_at_another_frequency_than_the_others_is_refused(tmp_path: Path) -> None:
    months = pd.date_range("2020-01-01", periods=14, freq="MS").strftime("%Y-%m-%d")
    lines = [*(f"{day},daily,1" for day in DAYS), *(f"{month},monthly,1" for month in months)]
    with pytest.raises(DataError, match=r"row 42 begins a series in which .* have no row at frequency D"):
        ingested(tmp_path, {"sales.csv": ["t,shop,y", *lines]}, series="shop", gaps="interpolate")


def test_columns_of_every_role_are_written_under_their_names(tmp_path: Path) -> None:
    lines = ["t,y,z,wind,holiday", *(f"{day},{at},{-at},{at / 2},{at % 2}" for at, day in enumerate(DAYS[:6]))]
    ahead = [f"{day},,,,{at % 2}" for at, day in enumerate(DAYS[6:8])]

    counts, series, summary = ingested(
        tmp_path, {"a.csv": lines, "b.csv": [lines[0], *ahead]}, target=["y", "z"], inputs="wind", known=["holiday"]
    )

    assert counts == {"rows": 6, "known_ahead": 2}
    assert series.columns.tolist() == ["unique_id", "ds", "y", "z", "wind", "holiday", "filled"]
    assert series["z"].tolist() == [0, -1, -2, -3, -4, -5]
    future = read_table(tmp_path / "out/future.parquet")
    assert future.columns.tolist() == ["unique_id", "ds", "holiday"]
    assert (future["ds"].tolist(), future["holiday"].tolist()) == (pd.to_datetime(DAYS[6:8]).tolist(), [0, 1])
    assert [summary[role] for role in ("targets", "inputs", "known")] == [["y", "z"], ["wind"], ["holiday"]]
    assert summary["statistics"].keys() == {"y", "z", "wind", "holiday"}


def test_where_nothing_is_known_ahead_the_future_is_an_empty_table(tmp_path: Path) -> None:
    ingested(tmp_path, {"a.csv": ["t,y,holiday", *(f"{day},1,0" for day in DAYS)]}, known="holiday")
    future = read_table(tmp_path / "out/future.parquet")
    assert (len(future), [str(kind) for kind in future.dtypes]) == (0, ["str", "datetime64[us]", "float64"])


def test_numbered_observations_are_a_series_too(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    meaning = Ingest.model_validate({"time": "time", "target": "value", "time_format": "integer"})

    counts = ingest(source=Synthetic(kind="synthetic", n=50), ingest=meaning, out=out)

    series, summary = read_table(out / "series.parquet"), read_document(out / "summary.json")
    assert counts == {"rows": 50}
    assert series["ds"].tolist() == list(range(50))
    assert series["ds"].dtype == np.int64
    assert (summary["frequency"], summary["first"], summary["last"]) == ("1", "0", "49")


def test_numbers_that_are_left_out_are_filled(run: Run) -> None:
    counts, series, summary = run(
        [(str(at), at) for at in range(0, 100, 5) if at != 50], time_format="integer", gaps="interpolate"
    )
    assert (counts, summary["frequency"]) == ({"rows": 20, "filled": 1}, "5")
    assert series["ds"].tolist() == series["y"].tolist() == list(range(0, 100, 5))


def test_a_parquet_file_gives_the_same_series_as_csv(run: Run, tmp_path: Path) -> None:
    run(numbered(DAYS))
    of_csv = (tmp_path / "out/series.parquet").read_bytes()
    path, out = tmp_path / "series.parquet", tmp_path / "of parquet"
    out.mkdir()
    pd.DataFrame({"t": pd.to_datetime(DAYS), "y": range(40)}).to_parquet(path)
    ingest(
        source=Parquet(kind="parquet", path="x"),
        ingest=Ingest.model_validate({"time": "t", "target": "y"}),
        out=out,
        paths=(path,),
    )
    assert (out / "series.parquet").read_bytes() == of_csv


def test_dropped_days_leave_the_others_on_their_dates(run: Run) -> None:
    counts, series, _ = run([(day, at) for at, day in enumerate(DAYS) if at not in (7, 8)], gaps="drop")
    assert counts == {"rows": 38, "dropped": 2}
    assert series["ds"].tolist() == pd.to_datetime(DAYS).delete([7, 8]).tolist()
    assert not series["filled"].any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"target": ["y", "y"]}, "each column in one role; 'y' is named more than once"),
        ({"inputs": "y"}, "each column in one role; 'y' is named more than once"),
        ({"known": ["a"], "inputs": ["a"]}, "each column in one role; 'a' is named more than once"),
        ({"series": "t"}, "each column in one role; 't' is named more than once"),
        ({"target": []}, "at least one column each as time and target"),
        ({"time": []}, "at least one column each as time and target"),
        ({"time_format": "integer", "timezone": "UTC"}, "no timezone for numbered observations"),
    ],
)
def test_columns_that_contradict_each_other_are_rejected_in_the_settings(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Ingest.model_validate({"time": "t", "target": "y"} | settings)


@pytest.mark.parametrize("settings", [{"target": "filled"}, {"inputs": ["unique_id"]}])
def test_columns_that_ingest_itself_writes_are_rejected(run: Run, settings: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="the table 'ingest': ingest itself writes columns named"):
        run(numbered(DAYS), **settings)


def test_equal_rows_give_equal_bytes(run: Run, tmp_path: Path) -> None:
    run(numbered(DAYS))
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    run(numbered(DAYS))

    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first
    assert sorted(first) == ["series.parquet", "summary.json"]


@pytest.mark.parametrize("most", [1, 50, 100])
def test_series_are_ingested_a_block_at_a_time(most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are in no order, one is there twice, one is missing, and known values go on after the last target."""
    rng = np.random.default_rng(0)
    rows = [f"{day},s{name},{rng.normal()},{rng.normal()}" for name in range(5) for day in DAYS[name:]]
    rows = [*(line for at, line in enumerate(rows) if at != 60), rows[70]]
    rows += [f"{day},s{name},,{rng.normal()}" for name in range(5) for day in ("2020-03-31", "2020-04-01")]
    lines = ["t,name,y,holiday", *rng.permutation(rows)]
    how = {"series": "name", "known": "holiday", "duplicates": "mean", "gaps": "interpolate"}
    outs = []
    for name in ("whole", "blocks"):
        (tmp_path / name).mkdir()
        counts, _, summary = ingested(tmp_path / name, {"series.csv": lines}, **how)
        outs.append((counts, summary, *(read_table(tmp_path / name / f"out/{kind}.parquet") for kind in FILES)))
        monkeypatch.setattr("gristmill.domains.timeseries.ingest.ROWS_PER_BLOCK", most)

    (counts, summary, *tables), (in_blocks, summary_in_blocks, *tables_in_blocks) = outs
    assert (
        counts
        == in_blocks
        == {"rows": 190, "series": 5, "filled": 1, "duplicates": 1, "known_ahead": 10}
        | {"out_of_order": counts["out_of_order"]}
    )
    assert summary == summary_in_blocks
    for table, other in zip(tables, tables_in_blocks, strict=True):
        pd.testing.assert_frame_equal(table, other)


def test_a_series_alone_in_its_block_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.domains.timeseries.ingest.ROWS_PER_BLOCK", 1)
    rows = [f"{day},{name},{'' if name == 'b' else 1}" for name in "ab" for day in DAYS]

    with pytest.raises(DataError, match="all 40 values of 'y' of series 'b' are missing"):
        ingested(tmp_path, {"series.csv": ["t,name,y", *rows]}, series="name")

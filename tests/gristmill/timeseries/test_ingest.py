"""Rows become a regular series, or one line says why not."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.errors import DataError
from gristmill.sources.csv import Csv
from gristmill.tables import read_document, read_table
from gristmill.timeseries.ingest import ingest
from gristmill.timeseries.settings import Ingest

DAYS = [f"{day:%Y-%m-%d}" for day in pd.date_range("2020-02-20", periods=40, freq="D")]

Run = Callable[..., tuple[dict[str, int], pd.DataFrame, dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Ingest rows of (time, value) and return the counts, the series and the summary."""

    def call(
        rows: Iterable[tuple[str, object]], **settings: Any
    ) -> tuple[dict[str, int], pd.DataFrame, dict[str, Any]]:
        path, out = tmp_path / "series.csv", tmp_path / "out"
        path.write_text("t,y\n" + "".join(f"{time},{value}\n" for time, value in rows))
        out.mkdir(exist_ok=True)
        meaning = Ingest(time="t", target="y", **settings)
        counts = ingest(source=Csv(kind="csv", path="series.csv"), ingest=meaning, path=path, out=out)
        return counts, read_table(out / "series.parquet"), read_document(out / "summary.json")

    return call


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

    assert counts == {"rows": 3, "interpolated": 0, "empty_at_the_ends": 0, "out_of_order": 0}
    assert series.columns.tolist() == ["ds", "y"]
    assert series["ds"].dtype.kind == "M"
    assert series["y"].dtype == np.float64
    assert series["ds"].tolist() == pd.date_range("2020-01-01", periods=3).tolist()
    assert series["y"].tolist() == [1, 2, 6]
    assert summary == {
        "target": "y",
        "frequency": "D",
        "first": "2020-01-01 00:00:00",
        "last": "2020-01-03 00:00:00",
        "counts": counts,
        "statistics": {
            "mean": 3,
            "deviation": pytest.approx(np.sqrt(14 / 3)),
            "min": 1,
            "quarter": 1.5,
            "median": 2,
            "three_quarters": 4,
            "max": 6,
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
    assert counts == {"rows": 80, "interpolated": 4, "empty_at_the_ends": 0, "out_of_order": 0}
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
    assert "(1 such rows)" in message


def test_a_time_that_stands_twice_is_refused_with_both_rows(run: Run) -> None:
    message = refusal(run, numbered([*DAYS[:5], DAYS[3], *DAYS[5:]]))

    assert "rows 5 and 7: both are 2020-02-23 00:00:00 (1 duplicates)" in message


def test_rows_out_of_order_are_put_in_order_and_counted(run: Run) -> None:
    times = [DAYS[1], DAYS[0], *DAYS[2:10], DAYS[12], DAYS[11], DAYS[10], *DAYS[13:]]

    counts, series, _ = run([(time, DAYS.index(time)) for time in times])

    assert counts["out_of_order"] == 3
    assert series["ds"].tolist() == pd.to_datetime(DAYS).tolist()
    assert series["y"].tolist() == list(range(40))


def test_missing_times_are_refused_with_the_first_and_the_remedy(run: Run) -> None:
    message = refusal(run, numbered(DAYS[:20] + DAYS[23:30] + DAYS[31:]))

    assert "4 of 40 values are missing at frequency D, the first at 2020-03-11 00:00" in message
    assert "set time_format if the times were misread, or set gaps = 'interpolate'" in message


def test_empty_values_are_refused_where_gaps_are(run: Run) -> None:
    rows = [(time, "" if at == 5 else at) for at, time in enumerate(DAYS)]

    assert "1 of 40 values are missing at frequency D, the first at 2020-02-25 00:00" in refusal(run, rows)


def test_missing_times_and_empty_values_are_interpolated_and_counted(run: Run) -> None:
    rows = [(time, "" if at == 5 else at * at) for at, time in enumerate(DAYS) if at not in (20, 21)]

    counts, series, summary = run(rows, gaps="interpolate")

    assert counts == {"rows": 40, "interpolated": 3, "empty_at_the_ends": 0, "out_of_order": 0}
    assert summary["counts"] == counts
    assert series["ds"].tolist() == pd.to_datetime(DAYS).tolist()
    expected = [float(at * at) for at in range(40)]
    expected[5] = (4 * 4 + 6 * 6) / 2
    expected[20] = 19 * 19 + (22 * 22 - 19 * 19) / 3
    expected[21] = 19 * 19 + (22 * 22 - 19 * 19) * 2 / 3
    assert series["y"].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("gaps", ["error", "interpolate"])
def test_values_missing_at_the_ends_are_cut_off_not_invented_and_counted(run: Run, gaps: str) -> None:
    rows = [(time, "" if at in (0, 38, 39) else at) for at, time in enumerate(DAYS)]

    counts, series, summary = run(rows, gaps=gaps)

    assert counts == {"rows": 37, "interpolated": 0, "empty_at_the_ends": 3, "out_of_order": 0}
    assert summary["counts"] == counts
    assert series["y"].tolist() == list(range(1, 38))
    assert (summary["first"], summary["last"]) == ("2020-02-21 00:00:00", "2020-03-28 00:00:00")


def test_values_missing_at_the_ends_and_inside_are_counted_apart(run: Run) -> None:
    rows = [(time, "" if at in (0, 1, 20, 39) else at) for at, time in enumerate(DAYS) if at not in (10, 38)]

    counts, series, _ = run(rows, gaps="interpolate")

    assert counts == {"rows": 36, "interpolated": 2, "empty_at_the_ends": 4, "out_of_order": 0}  # 38 has no row
    assert series["y"].tolist() == pytest.approx(list(range(2, 38)))
    assert "2 of 36 values are missing at frequency D, the first at 2020-03-01 00:00" in refusal(run, rows)


@pytest.mark.parametrize("gaps", ["error", "interpolate"])
def test_a_target_without_any_value_is_refused(run: Run, gaps: str) -> None:
    message = refusal(run, [(time, "") for time in DAYS], gaps=gaps)

    assert "series.csv: all 40 values are missing. Check the target column." in message


@pytest.mark.parametrize("cell", ["soon", "2020-02-30", "05/06/2020"])
def test_a_time_that_cannot_be_read_is_refused_with_its_row(run: Run, cell: str) -> None:
    message = refusal(run, numbered([*DAYS[:5], cell, *DAYS[5:]]))

    assert f"row 7, column 't': not a time in the format of the first row: '{cell}' (1 such cells)" in message


def test_an_empty_time_is_refused_with_its_row(run: Run) -> None:
    assert "row 4, column 't': not a time in the format of the first row: an empty cell" in refusal(
        run, numbered([*DAYS[:2], "", *DAYS[2:]])
    )


@pytest.mark.parametrize("cell", ["soon", "1", "1.5", "2020-02-30", "99999-01-01"])
def test_a_first_time_that_cannot_be_read_is_refused(run: Run, cell: str) -> None:
    message = refusal(run, numbered([cell, *DAYS]))

    assert "column 't': not" in message
    assert f"'{cell}'" in message
    assert "set time_format in the table 'ingest'" in message


def test_a_first_time_that_is_empty_is_refused_with_its_row(run: Run) -> None:
    assert "row 2, column 't': not a time in the format of the first row: an empty cell (1 such cells)" in refusal(
        run, numbered(["", *DAYS])
    )


@pytest.mark.parametrize("at", [0, 3])
def test_a_huge_time_is_shortened_in_the_message(run: Run, at: int) -> None:
    message = refusal(run, numbered([*DAYS[:at], "x" * 100_000, *DAYS[at:]]))

    assert f"'{'x' * 56}... " in message
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

    assert "set time_format if the times were misread" in refusal(run, rows)
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


@pytest.mark.parametrize(
    ("times", "settings"),
    [
        ([f"{day}T00:00:00+0{1 + (at > 20)}:00" for at, day in enumerate(DAYS)], {}),
        ([f"{day} 00:00+0{1 + (at > 20)}00" for at, day in enumerate(DAYS)], {"time_format": "%Y-%m-%d %H:%M%z"}),
        ([f"{day}T00:00:00{'+01:00' * (at > 20)}" for at, day in enumerate(DAYS)], {}),
        ([f"{day}T00:00:00{'+01:00' * (at <= 20)}" for at, day in enumerate(DAYS)], {}),
    ],
    ids=["guessed", "in a format", "from none to one", "from one to none"],
)
def test_times_with_several_offsets_are_refused(run: Run, times: list[str], settings: dict[str, Any]) -> None:
    assert "column 't': not" in refusal(run, numbered(times), **settings)


def test_rows_are_named_as_they_stand_in_the_file_after_blank_lines(run: Run, tmp_path: Path) -> None:
    path, out = tmp_path / "blank.csv", tmp_path / "blank"
    out.mkdir()
    path.write_text("t,y\n2020-01-01,1\n\n2020-01-02,2\n2020-01-01,3\n")

    with pytest.raises(DataError, match="rows 2 and 5"):
        ingest(
            source=Csv(kind="csv", path="blank.csv"),
            ingest=Ingest(time="t", target="y", frequency="D"),
            path=path,
            out=out,
        )


def test_times_in_one_zone_are_kept_in_it(run: Run) -> None:
    _, series, summary = run(numbered(f"{day}T00:00:00Z" for day in DAYS))

    assert summary["frequency"] == "D"
    assert series["ds"].tolist() == pd.to_datetime(DAYS, utc=True).tolist()


def test_equal_rows_give_equal_bytes(run: Run, tmp_path: Path) -> None:
    run(numbered(DAYS))
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    run(numbered(DAYS))

    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == first
    assert sorted(first) == ["series.parquet", "summary.json"]

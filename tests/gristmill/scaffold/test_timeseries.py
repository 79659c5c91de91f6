"""What is proposed for series: times in all forms, panels, holes, short and long ones."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.errors import DataError
from gristmill.scaffold.data import data_at
from gristmill.scaffold.proposal import ForecastOptions, Proposal
from gristmill.scaffold.timeseries import propose

DAYS = pd.date_range("2023-01-01", periods=120)
QUARTERS = ["Q1", "Q2", "Q3", "Q4"]
MONTHS = pd.date_range("1990-01-01", periods=100, freq="MS")

Propose = Callable[..., Proposal]


@pytest.fixture
def proposed(tmp_path: Path) -> Propose:
    """Propose a pipeline for a table of these columns."""

    def call(columns: dict[str, Iterable[Any]] | pd.DataFrame, target: str | None = None, **options: Any) -> Proposal:
        path = tmp_path / "given.csv"
        pd.DataFrame(columns).to_csv(path, index=False)
        return propose(data_at(str(path), tmp_path), target, ForecastOptions(**options))

    return call


def values(count: int) -> list[float]:
    """Return what goes up and down and strays a little."""
    return (np.sin(np.arange(count)) + np.random.default_rng(1).normal(size=count)).round(3).tolist()


@pytest.mark.parametrize(
    ("form", "proposed_format"),
    [
        ("%Y-%m-%d", None),
        ("%d/%m/%Y", "%d/%m/%Y"),  # a later file may have no day above 12
        ("%m/%d/%Y", "%m/%d/%Y"),
        ("%d.%m.%Y", "%d.%m.%Y"),
        ("%Y%m%d", "%Y%m%d"),
        ("%d-%b-%y", "%d-%b-%y"),
        ("%Y-%m-%d %H:%M:%S", None),
    ],
)
def test_days_are_read_in_many_forms(proposed: Propose, form: str, proposed_format: str | None) -> None:
    ingest = proposed({"when": DAYS.strftime(form), "y": values(120)}).values()["ingest"]

    assert ingest["time"] == "when"
    assert ingest["target"] == "y"
    if proposed_format:
        assert ingest["time_format"] == proposed_format
    assert ingest.keys() <= {"time", "time_format", "target"}  # no holes, no series: the days follow each other


def test_first_days_of_months_are_not_taken_for_days_of_januaries(proposed: Propose) -> None:
    months = pd.date_range("2010-01-01", periods=100, freq="MS")
    draft = proposed({"date": months.strftime("%d/%m/%Y"), "y": values(100)})

    assert draft.values()["ingest"] == {"time": "date", "time_format": "%d/%m/%Y", "target": "y"}
    assert draft.values()["preprocess"]["season"] == 12


@pytest.mark.parametrize("mark", ["/", "."])
def test_twelve_days_or_twelve_months_are_named_as_ambiguous(proposed: Propose, mark: str) -> None:
    months = pd.date_range("2023-01-01", periods=12, freq="MS").strftime(f"%d{mark}%m{mark}%Y")
    guesses = {guess.key: guess for guess in proposed({"date": months, "y": values(12)}).tables["ingest"]}

    assert guesses["time_format"].value == ("%m/%d/%Y" if mark == "/" else "%d.%m.%Y")  # points are written in Europe
    assert "day or month first? Check, or use" in guesses["time_format"].why


def test_months_with_points_are_no_decimal_numbers(tmp_path: Path) -> None:
    rows = [f"{month:%m.%Y};{str(value).replace('.', ',')}" for month, value in zip(MONTHS, values(100), strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["Monat;Umsatz", *rows]) + "\n")
    draft = propose(data_at(str(tmp_path / "t.csv"), tmp_path), None)

    assert draft.values()["source"]["decimal"] == ","
    assert draft.values()["ingest"]["time_format"] == "%m.%Y"


def test_booleans_of_parquet_are_tested_as_inputs(tmp_path: Path) -> None:
    days = pd.date_range("2021-01-01", periods=400)
    open_ = days.dayofweek < 6
    frame = pd.DataFrame({"date": days, "sold": 10.0 + 5 * open_ + np.arange(400) % 3, "open_holiday": open_})
    frame.to_parquet(tmp_path / "t.parquet")
    draft = propose(data_at(str(tmp_path / "t.parquet"), tmp_path), "sold")

    assert draft.values()["ingest"]["known"] == ["open_holiday"]


@pytest.mark.parametrize("name", ["phone", "article", "order id", "date_id"])
@pytest.mark.parametrize("form", ["%s", "%Y%m%d"])
def test_numbers_without_a_name_of_times_are_no_times(proposed: Propose, name: str, form: str) -> None:
    days = [pd.Timestamp("2020-01-01") + pd.Timedelta(days=at * at) for at in range(30)]
    numbers = [int(day.timestamp()) if form == "%s" else day.strftime(form) for day in days]
    with pytest.raises(DataError, match="no column of times among"):
        proposed({name: numbers, "y": values(30)})


@pytest.mark.parametrize(
    ("name", "form", "read"),
    [("clock", "%H:%M", "%H:%M"), ("hr", "%H", "%H"), ("Time", "%H.%M.%S", "%H.%M.%S"), ("at", "%I:%M %p", "%I:%M %p")],
)
def test_days_and_times_of_day_are_joined_unless_these_name_series(
    proposed: Propose, name: str, form: str, read: str
) -> None:
    hours = pd.date_range("2024-03-01", periods=480, freq="h")
    columns = {"date": hours.strftime("%d.%m.%Y"), name: hours.strftime(form), "y": values(480)}
    ingest = proposed(columns).values()["ingest"]

    assert ingest == {"time": ["date", name], "time_format": f"%d.%m.%Y {read}", "target": "y"}
    assert proposed(columns, series=[name]).values()["ingest"]["series"] == name
    shops = {key: [*cells, *cells] for key, cells in columns.items()} | {"shop": np.repeat(["north", "south"], 480)}
    assert proposed(shops).values()["ingest"] == ingest | {"series": "shop"}


def test_hours_that_are_counted_from_1_are_refused_with_a_remedy(proposed: Propose) -> None:
    hours = pd.date_range("2024-03-01", periods=480, freq="h")
    with pytest.raises(DataError) as raised:
        proposed({"date": hours.strftime("%d.%m.%Y"), "hour": hours.hour + 1, "y": values(480)})

    assert "row 2: the column 'date' holds days, and 'hour' times of day such as '1', which cannot be" in str(
        raised.value
    )
    assert "Count them from 0 in a function of source.prepare: frame['hour'].astype(int) - 1." in str(raised.value)


def test_a_column_of_days_that_do_not_repeat_needs_no_times_of_day(proposed: Propose) -> None:
    clock = [f"{7 + at % 3:02}:30" for at in range(len(DAYS))]
    draft = proposed({"date": DAYS.strftime("%Y-%m-%d"), "time": clock, "y": values(len(DAYS))})
    assert draft.values()["ingest"]["time"] == "date"


def test_days_without_a_year_are_no_months(proposed: Propose) -> None:
    with pytest.raises(DataError, match="no column of times"):
        proposed({"day": DAYS.strftime("%d-%b"), "y": values(len(DAYS))})


@pytest.mark.parametrize(
    ("columns", "time", "time_format", "season"),
    [
        ({"year": range(1900, 2000)}, "year", "%Y", None),
        ({"Year": np.repeat(range(2000, 2010), 12), "Month": [*range(1, 13)] * 10}, ["Year", "Month"], None, 12),
        ({"year": np.repeat(range(1990, 2015), 4), "quarter": [1, 2, 3, 4] * 25}, ["year", "quarter"], "quarter", 4),
        ({"period": [f"{1990 + at // 4}Q{at % 4 + 1}" for at in range(100)]}, "period", "quarter", 4),
        ({"period": [f"{1990 + at // 4} Q{at % 4 + 1}" for at in range(100)]}, "period", "quarter", 4),
        ({"period": [f"Q{at % 4 + 1} {1990 + at // 4}" for at in range(100)]}, "period", "quarter", 4),
        ({"week": pd.date_range("1991-02-04", periods=200, freq="7D").strftime("%G W%V")}, "week", "week", 52),
        ({"week": pd.period_range("1991-02-04", periods=200, freq="W").astype(str)}, "week", "week", 52),
        ({"index": MONTHS.strftime("%Y %b")}, "index", "%Y %b", 12),  # a tsibble of R
        ({"month": MONTHS.strftime("%m/%Y")}, "month", "%m/%Y", 12),
        ({"month": MONTHS.strftime("%b-%y")}, "month", "%b-%y", 12),  # Excel
        ({"month": MONTHS.strftime("%b-%Y")}, "month", "%b-%Y", 12),
        ({"month": MONTHS.strftime("%y-%b")}, "month", "%y-%b", 12),
        ({"month": MONTHS.strftime("%b. %Y")}, "month", "%b. %Y", 12),
        ({"month": MONTHS.strftime("%m.%Y")}, "month", "%m.%Y", 12),
        ({"month": MONTHS.strftime("%Y.%m")}, "month", "%Y.%m", 12),
        ({"date": (MONTHS - pd.Timestamp("1899-12-30")).days}, "date", "excel_days", 12),
        ({"year": np.repeat(range(1990, 1994), 52), "week": [*range(1, 53)] * 4}, ["year", "week"], "week", 52),
        ({"year": [2023] * 365, "doy": range(1, 366)}, ["year", "doy"], "%Y %j", 7),
        (
            {"year": [2023] * 960, "doy": np.repeat(range(1, 41), 24), "hour": [*range(24)] * 40},
            ["year", "doy", "hour"],
            "%Y %j %H",
            24,
        ),
        ({"month": MONTHS.strftime("%Y/%m")}, "month", "%Y/%m", 12),
        ({"week": pd.date_range("1991-02-04", periods=200, freq="7D").strftime("%G%V")}, "week", "week", 52),
        (
            {"year": np.repeat(range(1990, 2015), 4), "quarter": ["Q1", "Q2", "Q3", "Q4"] * 25},
            ["year", "quarter"],
            "quarter",
            4,
        ),
        ({"time": 1990 + np.arange(100) / 4}, "time", "decimal_year", 4),
        ({"time": (1990 + np.arange(100) / 12).round(3)}, "time", "decimal_year", 12),
        ({"decimal_date": (1990 + (np.arange(100) + 0.5) / 12).round(4)}, "decimal_date", "decimal_year", 12),
        ({"step": range(7, 107)}, "step", "integer", None),
        ({"unnamed": range(0, 500, 5)}, "unnamed", "integer", None),
        ({"month": pd.date_range("2010-01", periods=100, freq="MS").strftime("%Y-%m")}, "month", None, 12),
        (
            {"hour": pd.date_range("2024", periods=100, freq="h").strftime("%d.%m.%Y %H:%M")},
            "hour",
            "%d.%m.%Y %H:%M",
            24,
        ),
    ],
)
def test_times_are_put_together_from_what_there_is(
    proposed: Propose, columns: dict[str, Any], time: Any, time_format: str | None, season: int | None
) -> None:
    count = len(next(iter(columns.values())))
    draft = proposed(columns | {"y": np.random.default_rng(3).normal(size=count).round(3)}).values()

    assert draft["ingest"]["time"] == time
    assert draft["ingest"].get("time_format") == time_format
    assert draft["preprocess"].get("season") == season


def test_the_season_of_the_calendar_is_preferred_to_a_multiple(proposed: Propose) -> None:
    months = pd.date_range("1950-01", periods=480, freq="MS")
    cycle = 10 * np.sin(2 * np.pi * np.arange(480) / 120) + np.random.default_rng(0).normal(size=480)

    draft = proposed({"month": months, "y": cycle.round(2)})

    assert draft.values()["preprocess"]["season"] == 12
    (horizon,) = (guess for guess in draft.tables["preprocess"] if guess.key == "horizon")
    assert (horizon.value, horizon.why) == (12, "a year, as usual at frequency MS: set what you need")


def test_a_short_series_has_a_shorter_horizon(proposed: Propose) -> None:
    draft = proposed({"month": MONTHS[:50], "y": values(50)})
    (horizon,) = (guess for guess in draft.tables["preprocess"] if guess.key == "horizon")
    assert (horizon.value, horizon.why) == (3, "less than a year, since the series is short: set what you need")


def test_a_column_by_which_times_stand_once_names_the_series(proposed: Propose) -> None:
    count = len(DAYS)
    draft = proposed(
        {
            "shop": np.repeat(["north", "south", "west"], count),
            "open": [1, 0] * (3 * count // 2),
            "date": [*DAYS.strftime("%Y-%m-%d")] * 3,
            "sold": values(3 * count),
        },
        target="sold",
    )

    assert draft.values()["ingest"] == {"time": "date", "series": "shop", "target": "sold"}
    why = "does not lower the error of a linear forecast: name it in `ingest.inputs` to use it"
    assert draft.notes == [f"Not used: 'open', which {why}."]


def test_what_says_the_same_of_a_whole_series_is_no_target(proposed: Propose) -> None:
    shops = {"shop": ["north"] * 120 + ["south"] * 120, "code": [7] * 120 + [8] * 120}
    draft = proposed(shops | {"date": [*DAYS.strftime("%Y-%m-%d")] * 2, "sold": values(240)})

    assert draft.values()["ingest"] == {"time": "date", "series": "shop", "target": "sold"}


@pytest.mark.parametrize(("target", "most"), [("sales", 40), (None, 400), (None, 4000)])
def test_series_that_two_columns_name_are_not_averaged(proposed: Propose, target: str | None, most: int) -> None:
    pairs = [(store, item) for store in range(4) for item in ("bread", "milk", "eggs")]
    rows = [(day, *pair) for pair in pairs for day in DAYS.strftime("%Y-%m-%d")]
    panel = pd.DataFrame(rows, columns=["date", "store", "item"])
    panel["sales"] = np.random.default_rng(4).integers(0, most, len(panel))
    draft = proposed(panel[["date", "sales", "store", "item"]], target=target)

    assert draft.values()["ingest"] == {"time": "date", "series": ["store", "item"], "target": "sales"}
    assert "12 series, named by both columns" in next(
        guess.why for guess in draft.tables["ingest"] if guess.key == "series"
    )
    assert proposed(
        panel.assign(series=panel["store"].astype(str) + " " + panel["item"].astype(str)), target="sales"
    ).values()["ingest"] == {"time": "date", "series": "series", "target": "sales"}


def test_cases_are_no_series(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"20,1\d\d of 20,190 rows repeat a time of 'mdvis'.* these are not time series"
    ):
        propose(data_at("package://statsmodels/datasets/randhie/randhie.csv", tmp_path), None)


@pytest.mark.parametrize(
    ("at", "cell", "said"),
    [
        (100, "Total", "row 102, column 'date': 'Total' among times. Fix it, or remove the row."),
        (7, None, "row 9, column 'date': an empty cell among times. Fix it, or remove the row."),
        (
            30,
            "1970-01-01",
            "row 32: 1970-01-01, far from the other times, 2023-01-01 to 2023-04-30. Fix it, or remove",
        ),
    ],
)
def test_one_row_that_has_no_such_time_is_named(proposed: Propose, at: int, cell: str | None, said: str) -> None:
    dates: list[str | None] = [*DAYS.strftime("%Y-%m-%d")]
    dates[at] = cell
    with pytest.raises(DataError, match=re.escape(said)):
        proposed({"date": dates, "y": [*range(0, 240, 2)]})


@pytest.mark.parametrize(("form", "factor"), [("epoch_seconds", 1), ("epoch_milliseconds", 1000)])
def test_counts_since_1970_are_times(proposed: Propose, form: str, factor: int) -> None:
    seconds = (DAYS - pd.Timestamp(0)) // pd.Timedelta(seconds=1) * factor
    draft = proposed({"timestamp": seconds, "y": values(120)})

    assert draft.values()["ingest"] == {"time": "timestamp", "time_format": form, "target": "y"}
    assert draft.tables["ingest"][0].why == "from 2023-01-01 to 2023-04-30"


def test_holes_and_times_that_stand_twice_are_counted_and_mended(proposed: Propose) -> None:
    rows = [*range(50), 49, *range(53, 120)]
    draft = proposed({"date": DAYS[rows].strftime("%Y-%m-%d"), "y": values(len(rows))})

    assert draft.values()["ingest"] == {"time": "date", "target": "y", "duplicates": "mean", "gaps": "interpolate"}
    whys = {guess.key: guess.why for guess in draft.tables["ingest"]}
    assert whys["gaps"].startswith("fills 3 of 120 values;")
    assert whys["duplicates"].startswith("rows that repeat a time: 1;")


@pytest.mark.parametrize(
    ("first", "zone", "changed"),
    [
        ("2024-10-24", "Europe/Berlin", True),
        ("2024-03-06", "America/New_York", True),
        ("2024-06-23", "Europe/Berlin", False),
    ],
)
def test_hours_of_changed_clocks_are_told(proposed: Propose, first: str, zone: str, changed: bool) -> None:
    hours = pd.date_range(first, periods=240, freq="h", tz=zone).strftime("%Y-%m-%d %H:%M").delete(7 * 24)
    notes = proposed({"time": hours, "y": values(239)}).notes

    assert ["ingest.timezone" in note for note in notes] == [True] * changed


def test_the_first_column_of_numbers_is_the_target_unless_one_is_named(proposed: Propose) -> None:
    columns = {
        "id": range(120), "same": [5] * 120, "date": DAYS.strftime("%Y-%m-%d"), "name": ["a", "b"] * 60,
        "x": values(120), "y": values(120),
    }  # fmt: skip

    assert proposed(columns).values()["ingest"]["target"] == "x"
    assert proposed(columns, target="y").values()["ingest"]["target"] == "y"
    problems = {"same": "has only one value", "name": "holds texts such as", "date": "holds times or names"}
    for name, why in problems.items():
        with pytest.raises(DataError, match=f"{name!r}.*{why}"):
            proposed(columns, target=name)


@pytest.mark.parametrize("closed", [6, 40])
def test_a_target_with_cells_that_are_no_numbers_is_not_replaced_by_another(proposed: Propose, closed: int) -> None:
    days, sold = DAYS.strftime("%Y-%m-%d"), [*values(120 - closed), *["closed"] * closed]
    columns = {"date": days, "sold": sold, "price": values(120)}

    with pytest.raises(DataError, match=f"row {122 - closed}, column 'sold': expected a number, found 'closed'"):
        proposed(columns)
    assert proposed(columns, target="price").values()["ingest"]["target"] == "price"
    later = {"date": days, "price": values(120), "sold": sold}
    assert proposed(later).values()["ingest"]["target"] == "price"  # which is the first anyway


def test_a_bad_cell_among_decimal_commas_is_named(tmp_path: Path) -> None:
    rows = [f"{day:%d.%m.%Y};{at},5" for at, day in enumerate(DAYS)]
    rows[50] = f"{DAYS[50]:%d.%m.%Y};5O,5"
    (tmp_path / "given.csv").write_text("\n".join(["date;y", *rows]))

    with pytest.raises(DataError, match=r"given\.csv row 52, column 'y': expected a number, found '5O,5' \(1 such"):
        propose(data_at(str(tmp_path / "given.csv"), tmp_path), None)


def test_marks_of_missing_values_are_holes_to_be_filled(proposed: Propose) -> None:
    sold = ["N/A" if at % 8 == 3 else value for at, value in enumerate(values(120))]
    draft = proposed({"date": DAYS.strftime("%Y-%m-%d"), "sold": sold, "price": values(120)})

    assert draft.values()["source"]["missing"] == ["N/A"]
    assert draft.values()["ingest"] == {"time": "date", "target": "sold", "gaps": "interpolate"}


def test_models_are_chosen_on_blocks_where_the_validation_set_is_small(proposed: Propose) -> None:
    drafts = {}
    for count in (100, 300, 3000):
        days = pd.date_range("2012", periods=count).strftime("%Y-%m-%d")
        drafts[count] = proposed({"date": days, "y": values(count)}).values()

    assert [draft["model"]["preset"] for draft in drafts.values()] == ["quick"] * 3
    assert drafts[100]["backtest"] == {"windows": 2, "size": 20}
    assert drafts[300]["backtest"] == {"windows": 3, "size": 45}
    assert drafts[3000]["backtest"] == {}
    assert "train" not in drafts[300]


def test_several_series_make_up_for_a_short_validation_set(proposed: Propose) -> None:
    days = [*DAYS.strftime("%Y-%m-%d")]
    shops = [name for name in ("north", "south", "east", "west") for _ in days]

    assert proposed({"shop": shops, "date": days * 4, "sold": values(480)}).values()["backtest"] == {
        "windows": 2,
        "size": 24,
    }
    many = [f"shop {number}" for number in range(20) for _ in days]
    assert proposed({"shop": many, "date": days * 20, "sold": values(2400)}).values()["backtest"] == {}


def test_windows_fit_short_series_and_the_defaults_of_long_ones(proposed: Propose) -> None:
    short = proposed({"year": range(1980, 2000), "y": values(20)}).values()["preprocess"]
    days = pd.date_range("2000", periods=1000)
    long = proposed({"date": days.strftime("%Y-%m-%d"), "y": values(1000)}).values()["preprocess"]

    assert short == {"history": 3, "horizon": 1, "validation": 0.2, "test": 0.2}
    assert long == {"history": 28, "horizon": 7, "validation": 0.15, "test": 0.15, "season": 44}


def test_the_naive_forecast_of_a_week_is_a_candidate_for_values_within_the_day(proposed: Propose) -> None:
    hours = pd.date_range("2024", periods=600, freq="h")
    models = [proposed({"at": hours[:count], "y": values(count)}).values()["model"] for count in (400, 600)]

    day, week = ({"model": {"kind": "seasonal_naive", "season": season}} for season in (24, 168))
    assert models[0] == {"kind": "auto", "preset": "quick"}  # no two weeks to learn from
    assert models[1] == models[0] | {"candidates": [day, week]}  # of these values, the season is 44


def test_one_step_is_forecast_where_holes_leave_no_longer_stretch(proposed: Propose) -> None:
    there = [value if at % 6 else None for at, value in enumerate(values(120))]
    draft = proposed({"date": DAYS.strftime("%Y-%m-%d"), "y": there}).values()

    assert draft["ingest"]["gaps"] == "interpolate"
    assert draft["preprocess"]["horizon"] == 1


def months_of(lengths: Iterable[int]) -> pd.DataFrame:
    """Return monthly series that all begin in January 2000."""
    return pd.concat(
        pd.DataFrame(
            {
                "shop": f"shop {number}",
                "month": pd.date_range("2000-01", periods=length, freq="MS").strftime("%Y-%m"),
                "sold": values(length),
            }
        )
        for number, length in enumerate(lengths)
    )


@pytest.mark.parametrize(
    ("lengths", "history", "windows", "why"),
    [
        ([100] * 20 + [90] * 40, 24, 3, "60 of 60 series have room"),
        ([100] * 2 + [45 + at % 2 for at in range(58)], 24, 2, "60 of 60 series"),  # the long ones have 106 windows
        ([50] + [45 + at % 2 for at in range(59)], 21, 2, "60 of 60 series"),  # 46 less test, blocks, horizon: 22
        ([100] * 35 + [40, 20, 1] * 15, 24, 1, "50 of 80 series"),
    ],
)
def test_series_that_end_at_different_times_are_split_before_their_own_ends(
    proposed: Propose, lengths: list[int], history: int, windows: int, why: str
) -> None:
    draft = proposed(months_of(lengths), horizon=6, test=6)

    assert draft.values()["preprocess"].items() >= {
        "history": history, "horizon": 6, "split": "per_series", "validation": 0, "test": 6, "season": 12,
    }.items()  # fmt: skip
    assert draft.values()["backtest"] == {"windows": windows, "size": 6, "gap": 0}
    reasons = {guess.key: guess.why for guess in [*draft.tables["preprocess"], *draft.tables["backtest"]]}
    assert why in reasons["windows"]
    assert reasons["horizon"] == "as requested"
    preset = next(guess.why for guess in draft.tables["model"] if guess.key == "preset")
    assert '; "good": the same; "best" adds ' in preset
    assert "longer training" not in preset


def test_a_few_series_with_ends_of_their_own_have_parts_that_are_shares(proposed: Propose) -> None:
    draft = proposed(months_of([100, 90, 120])).values()

    assert draft["preprocess"] == {
        "history": 15, "horizon": 6, "split": "per_series", "validation": 0.2, "test": 0.2, "season": 12,
    }  # fmt: skip
    assert draft["backtest"] == {"windows": 2, "size": 20}


def test_series_that_end_together_are_split_at_the_same_times(proposed: Propose) -> None:
    lengths = [100] * 60
    whole = months_of(lengths)
    late = whole[whole.groupby("shop").cumcount() >= whole["shop"].str.len() * 3]  # they begin at different times

    draft = proposed(late, horizon=6, test=12).values()

    assert "split" not in draft["preprocess"]
    assert (draft["preprocess"]["horizon"], draft["preprocess"]["test"]) == (6, 12)


def test_parts_hold_the_horizon_that_is_asked(proposed: Propose) -> None:
    columns = {"month": pd.date_range("2000-01", periods=90, freq="MS"), "sold": values(90)}

    draft = proposed(columns, horizon=24).values()["preprocess"]

    assert {key: draft[key] for key in ("history", "horizon", "validation", "test")} == {
        "history": 9, "horizon": 24, "validation": 24, "test": 24,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"horizon": 200},
            "90 times are too few for a horizon of 200: the test set takes 200, the validation set 200, and training "
            "needs 203. Use --horizon 29 or less.",
        ),
        ({"horizon": 30}, "Use --horizon 29 or less."),
        ({"test": 60, "horizon": 30}, "Use --horizon 9 or less or a smaller --test."),
        ({"test": 88}, "the test set takes 88, the validation set 18, and training needs 9. Use a smaller --test."),
        ({"test": 2, "horizon": 6}, "--test 2 holds 2 of 90 times, fewer than the horizon of 6. Use a larger --test"),
    ],
)
def test_options_that_leave_no_room_are_named(proposed: Propose, options: dict[str, Any], message: str) -> None:
    columns = {"month": pd.date_range("2000-01", periods=90, freq="MS"), "sold": values(90)}

    with pytest.raises(DataError, match=re.escape(message)):
        proposed(columns, **options)


def test_the_largest_horizon_that_is_named_fits(proposed: Propose) -> None:
    columns = {"month": pd.date_range("2000-01", periods=90, freq="MS"), "sold": values(90)}

    assert proposed(columns, horizon=29).values()["preprocess"]["horizon"] == 29
    assert proposed(columns, horizon=9, test=60).values()["preprocess"]["horizon"] == 9
    assert proposed(columns, test=2).values()["preprocess"].items() >= {"horizon": 2, "test": 2}.items()


def years_of(lengths: Iterable[int]) -> pd.DataFrame:
    """Return yearly series that end in one of seven years."""
    return pd.concat(
        pd.DataFrame(
            {"firm": f"firm {at}", "year": range(1990 + at % 7 - length, 1990 + at % 7), "sold": values(length)}
        )
        for at, length in enumerate(lengths)
    )


def test_models_for_very_short_series_are_chosen_on_those_with_a_block(proposed: Propose) -> None:
    draft = proposed(years_of([3 + at % 8 for at in range(40)]))

    assert draft.values()["preprocess"].items() >= {
        "horizon": 1, "split": "per_series", "validation": 0, "test": 1, "season": 0,
    }.items()  # fmt: skip
    assert draft.values()["backtest"] == {"windows": 1, "size": 1, "gap": 0}
    assert "5 of 40 series have room" in draft.tables["backtest"][0].why


@pytest.mark.parametrize(
    ("longest", "options", "message"),
    [
        (
            10,
            {"horizon": 2},
            "the longest series has 10 values, but models are compared on series with 8 before a block of 2 (the "
            "horizon) and a test set of 2: 12 in all. Use --horizon 1 --test 1, or longer series.",
        ),
        (8, {}, "a test set of 1: 10 in all. Use longer series."),
    ],
)
def test_series_too_short_to_compare_models_on_are_refused(
    proposed: Propose, longest: int, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        proposed(years_of([3 + at % (longest - 2) for at in range(40)]), **options)


def test_a_season_of_one_of_many_short_series_is_not_proposed(proposed: Propose) -> None:
    years = pd.concat(
        pd.DataFrame({"firm": f"firm {at}", "year": range(1900, 1900 + length), "profit": values(length)})
        for at, length in enumerate(np.random.default_rng(0).integers(20, 30, size=60))
    )
    noise = np.random.default_rng(0).normal(size=len(years)).cumsum() + 100

    draft = proposed(years.assign(profit=noise), horizon=4, test=4).values()["preprocess"]

    assert (draft["split"], draft["season"]) == ("per_series", 0)


def test_the_column_of_series_can_be_named(proposed: Propose) -> None:
    table = months_of([60, 60, 60]).assign(code=np.repeat([7, 8, 9], 60), kind=np.tile(["a", "b"], 90))

    assert proposed(table, "sold", series=("code",)).values()["ingest"]["series"] == "code"
    for name, said in (
        ("kind", "67% of the rows repeat a time of their series in the column 'kind'"),
        ("month", "the column 'month' holds the times or the target"),
        ("store", "no column 'store'. Columns: 'shop', 'month', 'sold', 'code', 'kind'."),
    ):
        with pytest.raises(DataError, match=re.escape(said)):
            proposed(table, "sold", series=(name,))


def test_columns_that_lower_the_error_are_proposed_and_the_test_set_decides_nothing(proposed: Propose) -> None:
    random = np.random.default_rng(8)
    leader, noise = random.normal(size=400), random.normal(size=400)
    helpful = np.roll(leader, 1) + 0.3 * noise  # by its past
    late = np.where(np.arange(400) < 340, noise, np.roll(leader, 1))  # only in the test set
    days = pd.date_range("2012", periods=400).strftime("%Y-%m-%d")
    columns = {"date": days, "leader": leader, "noise": random.normal(size=400)}

    draft = proposed(columns | {"y": helpful}, target="y")
    assert draft.values()["ingest"]["inputs"] == ["leader"]
    assert draft.notes[0].startswith("Not used: 'noise', which does not lower the error")
    assert "inputs" not in proposed(columns | {"y": late}, target="y").values()["ingest"]


def test_a_column_with_values_after_the_end_of_the_target_is_known_ahead(proposed: Propose) -> None:
    random = np.random.default_rng(8)
    days, flag = pd.date_range("2012", periods=400), (random.random(400) < 0.3).astype(int)
    sold = pd.Series(2 * flag + 0.3 * random.normal(size=400))
    columns = {"date": days.strftime("%Y-%m-%d"), "sold": sold, "promotion": flag}

    assert "known" not in proposed(columns).values()["ingest"]
    assert proposed(columns | {"sold": sold.mask(np.arange(400) > 390)}).values()["ingest"]["known"] == ["promotion"]


def test_a_column_with_holes_of_its_own_is_not_tested(proposed: Propose) -> None:
    price = pd.Series(values(120)).mask(np.arange(120) % 9 == 0)
    draft = proposed({"date": DAYS.strftime("%Y-%m-%d"), "y": values(120), "price": price})

    assert draft.values()["ingest"].keys() == {"time", "target"}
    assert draft.notes == ["Not used: 'price', which has empty cells."]

    own = proposed({"date": DAYS.strftime("%Y-%m-%d"), "y": values(120), "filled": range(0, 240, 2)})
    reason = "has the name of a column that ingest writes: rename it in source.prepare to use it"
    assert own.notes == [f"Not used: 'filled', which {reason}."]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"name": ["a", "b"] * 20, "y": values(40)}, "no column of times among 'name', 'y'"),
        (
            {"date": [f"{day:{'%d/%m/%Y' if day.day % 2 else '%Y-%m-%d'}}" for day in DAYS], "y": values(120)},
            "row 3, column 'date': '2023-01-02' among times. Write all times in one format.",
        ),
        ({"date": DAYS[:40].strftime("%Y-%m-%d"), "name": ["a", "b"] * 20}, "no numeric column to predict"),
        (
            {"date": DAYS[:40].strftime("%Y-%m-%d"), "y": [*values(39), "much"]},
            "row 41, column 'y': expected a number, found 'much'",
        ),
        ({"date": DAYS[:8].strftime("%Y-%m-%d"), "y": values(8)}, "8 times are too few"),
        ({"date": DAYS[:40].strftime("%Y-%m-%d"), "y": [3] * 40}, "'y' has only one value"),
        (
            {"date": [DAYS[at * at % 97].strftime("%Y-%m-%d") for at in range(40)], "y": values(40)},
            "have no regular distance. Make them regular",
        ),
    ],
)
def test_what_cannot_be_forecast_is_refused_in_one_line(proposed: Propose, columns: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as raised:
        proposed(columns)

    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_column_known_ahead_that_is_the_target_is_named(proposed: Propose) -> None:
    sold = np.random.default_rng(3).normal(size=120).round(3)
    draft = proposed({"date": DAYS.strftime("%Y-%m-%d"), "sold": sold, "planned": 2 * sold})

    assert draft.values()["ingest"]["known"] == ["planned"]
    assert draft.notes == [
        "Possible leak: 'planned', which follows the target (rank correlation 1.0000). "
        "Leave out what you do not know before the target 'sold'."
    ]

"""Rules for arrivals of series: what is found in new, late and changed rows, and what is not."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.arrivals import Arrival, broken_rules, by_rule, contradiction, run_lengths
from gristmill.domains.timeseries.plots import arrival_figure
from gristmill.settings.arrivals import SeriesArrivals
from gristmill.util.table_io import table_writer, write_document

KNOWN, NEW = 100, 14
CLOCK = datetime(2026, 5, 1, tzinfo=UTC)
NOISE = np.random.default_rng(0).normal(0, 5, KNOWN + NEW).round(2)
Change = Callable[[pd.DataFrame], "pd.DataFrame | None"]


def series(name: str = "y", level: float = 100.0) -> pd.DataFrame:
    """Return a daily series that ends before the clock: known rows and new ones."""
    days = pd.date_range(end="2026-04-30", periods=KNOWN + NEW)
    wave = 20 * np.sin(2 * np.pi * np.arange(KNOWN + NEW) / 7)
    return pd.DataFrame({"unique_id": name, "ds": days, "y": level + wave + NOISE, "filled": False})


def found(
    change: Change, rules: SeriesArrivals | None = None, known: pd.DataFrame | None = None, now: datetime = CLOCK
) -> dict[str, str]:
    """Return the rules that the changed series breaks."""
    table = series()
    then = table[:KNOWN] if known is None else known
    changed = change(table.copy())
    arrival = Arrival.of(table if changed is None else changed, then, ["y"])
    return dict(arrival.findings(rules or SeriesArrivals(), now))


def with_values(rows: slice, values: Callable[[pd.Series], object]) -> Change:
    """Return a change of the values in some rows."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[table.index[rows], "y"] = values(table["y"].iloc[rows])
        return table

    return change


FRESH = slice(KNOWN, None)


def test_plausible_rows_break_no_rule() -> None:
    assert found(lambda table: table) == {}
    assert found(with_values(FRESH, lambda y: y + 10)) == {}


@pytest.mark.parametrize(
    ("rows", "values", "rules"),
    [
        (FRESH, lambda y: 100.0, ["max_repeats"]),
        (FRESH, lambda y: 100 + 0.001 * np.arange(NEW) ** 2 / NEW, ["max_repeats"]),
        (FRESH, lambda y: 0.0, ["max_beyond", "max_repeats", "max_step"]),
        (slice(-1, None), lambda y: 100 * y, ["max_beyond", "max_step"]),
        (FRESH, lambda y: -y, ["max_beyond", "max_step"]),
        (
            slice(KNOWN - 5, KNOWN),
            lambda y: 100 * y,
            ["max_beyond", "max_step"],
        ),  # changed rows
        (slice(30, 70), lambda y: y + 1, ["max_revised"]),
    ],
)
def test_rules_of_values(rows: slice, values: Callable[[pd.Series], object], rules: list[str]) -> None:
    assert sorted(found(with_values(rows, values))) == rules


def test_messages_name_row_value_and_limit() -> None:
    assert found(with_values(slice(-1, None), lambda y: 9000.0))["max_step"] == (
        "'y' is too far from the value before in 1 row, the first: 9,000 on 2026-04-30, after 99.62; the largest known "
        "step is 27.6 (max_step allows 82.79)"
    )
    assert found(with_values(FRESH, lambda y: 100.0))["max_repeats"] == (
        "'y' is 100 in 14 consecutive rows, the last on 2026-04-30; the longest known sequence has 1 "
        "(max_repeats allows 4)"
    )


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        (lambda y: 1000 * y, "because the unit of 'y' changed: now = 1,000 × before"),
        (lambda y: (1.8 * y + 32).round(1), "because the unit of 'y' changed: now = 1.8 × before + 32"),
    ],
)
def test_a_changed_unit_of_all_values_is_named_and_nothing_else(
    values: Callable[[pd.Series], object], cause: str
) -> None:
    assert found(with_values(slice(None), values)) == {
        "max_revised": f"100 of 100 known rows have other values, {cause} (max_revised = 0.1)"
    }


def test_moved_times_are_named() -> None:
    def moved(table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(ds=table["ds"] + pd.Timedelta("1D"))

    assert found(moved, now=datetime(2026, 6, 1, tzinfo=UTC)) == {
        "max_revised": "99 of 100 known rows have other values, because all times moved by +1 day (max_revised = 0.1)"
    }


def test_rows_ahead_of_the_clock() -> None:
    early = datetime(2026, 4, 20, tzinfo=UTC)
    assert found(lambda table: table, now=early) == {
        "max_ahead": (
            "9 new rows are later than the clock, 2026-04-20 00:00 UTC, the newest: 2026-04-30 (max_ahead = '1 day')"
        )
    }
    assert found(lambda table: table, SeriesArrivals(max_ahead="10 days"), now=early) == {}
    # If the clock jumps, known rows are ahead, too.
    assert found(lambda table: table, now=datetime(2020, 1, 1, tzinfo=UTC)) == {
        "max_ahead": (
            "14 new rows are later than the clock, 2020-01-01 00:00 UTC, the newest: 2026-04-30; known rows are, too, "
            "up to 2026-04-16: check the clock (max_ahead = '1 day')"
        )
    }
    # Known rows are not judged again.
    assert found(lambda table: table[:KNOWN], now=datetime(2020, 1, 1, tzinfo=UTC)) == {}


def test_a_time_may_name_the_end_of_its_step() -> None:
    months = pd.date_range("2020-01-31", periods=60, freq="ME")
    table = pd.DataFrame({"unique_id": "y", "ds": months, "y": NOISE[:60], "filled": False})

    arrival = Arrival.of(table, table[:59], ["y"])

    assert dict(arrival.findings(SeriesArrivals(), datetime(2024, 12, 2, tzinfo=UTC))) == {}
    assert "max_ahead" in dict(arrival.findings(SeriesArrivals(), datetime(2024, 11, 28, tzinfo=UTC)))


def test_a_sensor_that_is_stuck_day_after_day_is_found_by_the_fifth_value() -> None:
    table = series()
    table.loc[KNOWN:, "y"] = 100.0
    broken = [day for day in range(1, NEW) if _judge(table, KNOWN + day)]
    assert broken[0] == 5  # four equal values are allowed, as the known ones never repeat

    # After the user has accepted the run, it may go on.
    assert _judge(table, KNOWN + 9, known=KNOWN + 8) == {}


def _judge(table: pd.DataFrame, end: int, known: int | None = None) -> dict[str, str]:
    before = table[: end - 1 if known is None else known]
    return dict(Arrival.of(table[:end], before, ["y"]).findings(SeriesArrivals(), CLOCK))


def test_values_that_often_repeat_may_repeat_twice_as_long() -> None:
    known = series()
    known.loc[40:49, "y"] = 0.0

    def nights(length: int) -> dict[str, str]:
        table = known.copy()
        table.loc[KNOWN : KNOWN + length - 1, "y"] = 85.0
        return dict(Arrival.of(table, known[:KNOWN], ["y"]).findings(SeriesArrivals(), CLOCK))

    assert nights(14) == {}
    assert list(dict(Arrival.of(known, known[:KNOWN], ["y"]).findings(SeriesArrivals(max_repeats=5), CLOCK))) == []


def test_a_late_row_is_judged_and_an_old_one_is_not() -> None:
    table = series()
    late = table.drop(index=50)
    table.loc[50, "y"] = 5000.0
    assert sorted(dict(Arrival.of(table, late[:KNOWN], ["y"]).findings(SeriesArrivals(), CLOCK))) == [
        "max_beyond",
        "max_step",
    ]
    assert dict(Arrival.of(table, table[:KNOWN], ["y"]).findings(SeriesArrivals(), CLOCK)) == {}


def test_series_are_judged_by_their_own_values_unless_they_are_few_or_constant() -> None:
    both = pd.concat([series("a"), series("b", 10_000)], ignore_index=True)
    then = both[both["ds"] < both["ds"].unique()[KNOWN]]
    swapped = both.copy()
    swapped.loc[swapped.index[-1], "y"] = 100.0
    named = dict(Arrival.of(swapped, then, ["y"]).findings(SeriesArrivals(), CLOCK))
    assert "2026-04-30 of series 'b'" in named["max_step"]

    short = series()[KNOWN - 19 :]  # 19 known rows
    assert found(lambda _: with_values(slice(-1, None), lambda y: 100 * y)(short.copy()), known=short[:19]) == {}
    constant = series().assign(y=1.0)
    assert found(lambda _: with_values(FRESH, lambda y: 2.0)(constant.copy()), known=constant[:KNOWN]) == {}


def test_one_of_hundreds_of_series_may_break_a_rule() -> None:
    many = pd.concat([series(f"s{number:03d}") for number in range(250)], ignore_index=True)
    then = many[many["ds"] < many["ds"].unique()[KNOWN]]
    last = many.index[many["ds"] == many["ds"].max()]
    for count, rules in ((1, []), (2, ["max_beyond", "max_step"])):
        now = many.copy()
        now.loc[last[:count], "y"] = 1e6
        assert sorted(dict(Arrival.of(now, then, ["y"]).findings(SeriesArrivals(), CLOCK))) == rules


def test_rounding_and_missing_values_are_no_revision() -> None:
    assert found(with_values(slice(None), lambda y: y * (1 + 1e-9))) == {}
    # Noise of less than a hundredth of the deviation is a revision, but no change of the unit.
    shaken = found(with_values(slice(None), lambda y: y + 0.01 * NOISE[: len(y)]))
    assert shaken["max_revised"].endswith("the first: 2026-01-07 (max_revised = 0.1)")

    table = series()
    table.loc[10, "y"] = np.nan
    assert found(lambda _: table, known=table[:KNOWN]) == {}
    now_constant = found(with_values(slice(None), lambda y: 5.0))["max_revised"]
    assert "unit" not in now_constant


def test_all_columns_that_break_a_rule_are_named() -> None:
    table = series().assign(x=NOISE)
    now = table.copy()
    now.loc[now.index[-1], ["y", "x"]] = 1e6
    named = by_rule(Arrival.of(now, table[:KNOWN], ["y", "x"]).findings(SeriesArrivals(), CLOCK))
    assert "'y' is too far from" in named["max_step"]
    assert "'x' is too far from" in named["max_step"]


@pytest.mark.parametrize(("now", "then"), [(0, KNOWN), (KNOWN, 0), (0, 0)])
def test_no_rows_break_no_rule(now: int, then: int) -> None:
    table = series()
    assert list(Arrival.of(table[:now], table[:then], ["y"]).findings(SeriesArrivals(), CLOCK)) == []


def test_the_picture_shows_the_values_that_differ_most() -> None:
    table = pd.concat([series("a"), series("b")], ignore_index=True).assign(x=1.0)
    now = table.copy()
    now.loc[KNOWN + NEW + 50, "x"] = 9.0  # of series b; x was constant
    now.loc[3, "y"] = np.nan

    (axes,) = arrival_figure(now, table, ["y", "x"]).axes

    assert axes.get_ylabel() == "x of b"
    assert 9.0 in axes.lines[0].get_ydata()
    assert 9.0 not in axes.lines[1].get_ydata()


def test_run_lengths() -> None:
    assert run_lengths(np.array([False, True, True, False, False, True])).tolist() == [1, 2, 3, 1, 1, 2]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes series as ingest does."""

    def call(name: str, table: pd.DataFrame, line_ends: bool = True) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        with table_writer(folder / "series.parquet") as write_table:
            write_table(table)
        write_document(folder / "summary.json", {"targets": ["y"], "inputs": [], "line_ends": line_ends})
        return folder

    return call


def test_a_file_that_ends_without_a_line_break_for_the_first_time(write: Callable[..., Path]) -> None:
    before, cut = write("before", series()[:KNOWN]), write("cut", series(), line_ends=False)
    never = write("never", series()[:KNOWN], line_ends=False)

    assert list(broken_rules(cut, before, SeriesArrivals(), CLOCK)) == ["line break"]
    assert broken_rules(cut, never, SeriesArrivals(), CLOCK) == {}


def test_a_rule_that_the_history_itself_breaks(write: Callable[..., Path]) -> None:
    table = series()
    table.loc[80:89, "y"] = 100.0
    folder = write("history", table)

    assert contradiction(folder, SeriesArrivals()) == {}  # only rules that somebody has written
    assert list(contradiction(folder, SeriesArrivals(max_repeats=3, max_step=3.0))) == ["max_repeats"]
    steps = contradiction(folder, SeriesArrivals(max_step=0.1))
    assert list(steps) == ["max_step"]
    assert re.search(r"on 2026-03-05, after 102\.1 \(next: 2026-03-06, 2026-03-07\)", steps["max_step"])

    table.loc[5:9, "y"] = 100.0  # in the first half, too
    assert contradiction(write("again", table), SeriesArrivals(max_repeats=9)) == {
        "max_repeats": "'y' has 10 equal values in a row"
    }

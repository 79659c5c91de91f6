"""Scores of compared rows, group by group."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.monitoring.live_rows import LiveRows, score_table, served_scores
from gristmill.monitoring.prediction_columns import COVERED, DAY, LEVEL, RUN, SCORE, VERSION
from gristmill.runs.retraining_record import Drift

NO_DRIFT = Drift(errors=None, inputs=[])


def live(days: Any, scores: list[float], root: bool = False, **columns: Any) -> LiveRows:
    rows = pd.DataFrame({DAY: pd.to_datetime(days), SCORE: scores, COVERED: math.nan, LEVEL: 0.8, RUN: "r", VERSION: 1})
    slices = {name: name for name in columns if not name.startswith("@")}
    return LiveRows(rows.assign(**columns).astype({VERSION: "Int64"}), slices, NO_DRIFT, root)


def groups(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in table[["by", "group", "predicted", "scored", "mae"]].fillna(-1).to_numpy()]


def test_a_group_has_the_mean_of_what_is_scored() -> None:
    table = score_table(live(["2026-11-01 10:00", "2026-11-01 00:00", "2026-11-02 00:00"], [1.0, math.nan, 4.0]), "mae")
    assert groups(table) == [("all", "", 3, 2, 2.5), ("day", "2026-11-01", 2, 1, 1), ("day", "2026-11-02", 1, 1, 4)]


def test_nothing_scored_has_no_score() -> None:
    assert groups(score_table(live(["2026-11-01"], [math.nan]), "mae"))[0] == ("all", "", 1, 0, -1)


def test_more_than_a_month_of_days_is_shown_by_month() -> None:
    days = pd.date_range("2026-10-01", periods=32)
    table = score_table(live(days, [1.0] * 32), "mae")
    assert groups(table)[1:] == [("month", "2026-10", 31, 31, 1), ("month", "2026-11", 1, 1, 1)]


def test_slices_and_models_are_shown_if_there_are_several() -> None:
    one = live(["2026-11-01"] * 3, [1.0, 2.0, 6.0], town=["Ulm", "Bonn", None], kind="a")
    assert groups(score_table(one, "mae"))[2:] == [("town", "Bonn", 1, 1, 2), ("town", "Ulm", 1, 1, 1)]
    two = live(["2026-11-01"] * 2, [1.0, 2.0], **{VERSION: pd.array([2, None], dtype="Int64"), RUN: ["r", "s"]})
    assert groups(score_table(two, "mae"))[2:] == [("version", "run s", 1, 1, 2), ("version", "v2", 1, 1, 1)]


def test_the_root_of_the_mean_is_that_of_each_group() -> None:
    table = score_table(live(["2026-11-01", "2026-11-02"], [4.0, 16.0], root=True), "mae")
    assert table["mae"].tolist() == pytest.approx([math.sqrt(10), 2, 4])


def test_coverage_is_the_mean_of_what_has_an_interval() -> None:
    rows = live(["2026-11-01"] * 3, [1.0] * 3, **{COVERED: [1.0, 0.0, np.nan]})
    assert score_table(rows, "mae")["coverage"].tolist() == [0.5, 0.5]


def test_coverages_of_intervals_of_different_levels_have_no_mean() -> None:
    columns = {COVERED: [1.0, 0.0, np.nan, 1.0], LEVEL: [0.8, 0.8, 0.5, 0.5], "town": ["Bonn", "Bonn", "Bonn", "Ulm"]}
    table = score_table(live(["2026-11-01"] * 4, [1.0] * 4, **columns), "mae").set_index(["by", "group"])["coverage"]
    assert np.isnan(table["all", ""])
    assert table["town"].to_dict() == {"Bonn": 0.5, "Ulm": 1.0}


def test_the_model_that_serves_is_scored_by_itself() -> None:
    rows = live(["2026-11-01"] * 3, [1.0, 2.0, math.nan], **{RUN: ["r", "s", "s"]})
    assert groups(served_scores(rows, "mae", "s", "v2")) == [("serving", "v2", 2, 1, 2)]
    assert groups(served_scores(rows, "mae", "t", "v3")) == [("serving", "v3", 0, 0, -1)]

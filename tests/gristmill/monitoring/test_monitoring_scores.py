"""The scores that are shown of logged predictions."""

import math
from datetime import UTC, datetime

import pandas as pd
import pytest

from gristmill.monitoring.live_rows import LiveRows, Monitoring, score_table, served_scores
from gristmill.monitoring.prediction_columns import COVERED, DAY, LEVEL, RUN, SCORE, VERSION
from gristmill.reports.monitoring import score_table as shown_table
from gristmill.runs.retraining_record import Drift
from gristmill.scores import Headline, Scores


def monitoring(scores: list[float], runs: list[str]) -> Monitoring:
    """Return the scores of one value a day."""
    days = pd.date_range("2026-11-01", periods=len(scores))
    rows = pd.DataFrame({DAY: days, SCORE: scores, COVERED: math.nan, LEVEL: math.nan, RUN: runs, VERSION: pd.NA})
    live = LiveRows(rows, {}, Drift(errors=None, inputs=[]))
    headline = Headline(metric="mae", model=0.5, baseline=1.0)
    tested = Scores(model={"test": {"mae": 0.5}}, best_baseline="mean", headline=headline)
    tables = score_table(live, "mae"), served_scores(live, "mae", "new", "v2")
    return Monitoring("small", datetime(2026, 11, 1, tzinfo=UTC), *tables, tested, live.drift, "mae")


def days_of(found: Monitoring, most: int) -> list[str]:
    return [day for by, groups in found.groups(most) if by == "day" for day in groups["group"]]


def test_the_last_days_with_a_score_are_shown() -> None:
    found = monitoring([1.0, 2.0, 3.0, math.nan, math.nan], ["new"] * 5)
    assert days_of(found, 2) == ["2026-11-02", "2026-11-03"]
    assert days_of(monitoring([math.nan] * 3, ["new"] * 3), 2) == ["2026-11-02", "2026-11-03"]


@pytest.mark.parametrize(
    ("runs", "rows"),
    [
        (["new"] * 3, [["v2", "3", "2", "1"], ["tested", "", "", ""]]),
        (["old", "new", "new"], [["v2", "2", "1", "1"], ["all versions", "3", "2", "1"], ["tested", "", "", ""]]),
        (["old"] * 3, [["v2", "0", "0", "0"], ["all versions", "3", "2", "1"], ["tested", "", "", ""]]),
    ],
)
def test_the_version_that_serves_comes_first(runs: list[str], rows: list[list[str]]) -> None:
    table = shown_table(monitoring([1.0, 2.0, math.nan], runs))
    assert table.headings == ["", "predicted", "scored", "not scored", "mae"]
    assert [row[:4] for row in table.rows] == rows

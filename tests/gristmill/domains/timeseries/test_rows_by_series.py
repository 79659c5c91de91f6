"""Rows of a source, ordered a block of series at a time."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.timeseries.ingest import RowsBySeries
from gristmill.domains.timeseries.settings import Ingest
from gristmill.sources.rows import Rows

MEANING = Ingest.model_validate({"time": "t", "target": "y", "series": "name", "time_format": "integer"})
TABLE = pd.DataFrame(
    {"t": [1, 1, 2, 3, 2, 1, 9], "y": np.arange(7.0), "name": ["b", "a", "a", "b", "b", "c", "c"]},
    index=range(1, 8),
)


def by_series(table: pd.DataFrame = TABLE, **settings: Any) -> RowsBySeries:
    return RowsBySeries.of(Rows(table), MEANING.model_copy(update=settings), ["y"])


@pytest.mark.parametrize("most", [1, 3, 100])
@pytest.mark.parametrize("is_sorted", [False, True])
def test_blocks_hold_all_rows_in_order(most: int, is_sorted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.domains.timeseries.ingest.ROWS_PER_BLOCK", most)
    rows = by_series(TABLE.sort_values("name", kind="stable") if is_sorted else TABLE)

    found = [rows.ordered(block, MEANING) for block in rows.blocks]

    assert len(found) == {1: 3, 3: 2, 100: 1}[most]
    ordered = [one for one, _ in found]
    assert [name for one in ordered for name in one.ids] == ["a", "b", "c"]
    assert [time for one in ordered for time in one.times] == [1, 2, 1, 2, 3, 1, 9]
    assert [value for one in ordered for value in one.columns["y"]] == [1, 2, 0, 4, 3, 5, 6]
    assert [one.ids[at] for one in ordered for at in one.series] == [*"aabbbcc"]
    assert all(one.several for one in ordered)
    places = [int(rows.source.frame.index[at]) for one in ordered for at in one.positions]
    assert places == [2, 3, 1, 5, 4, 6, 7]  # row numbers in the source, for messages
    assert sum(repairs["out_of_order"] for _, repairs in found) == 1


def test_the_frequency_is_that_of_the_longest_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.domains.timeseries.ingest.ROWS_PER_BLOCK", 1)

    assert by_series().frequency(MEANING) == "1"
    assert by_series().frequency(MEANING.model_copy(update={"frequency": "8"})) == "8"

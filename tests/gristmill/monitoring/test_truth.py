"""Ids of rows, and the truth that is found by them."""

import pandas as pd
import pytest

from gristmill.errors import RequestError
from gristmill.monitoring.live_rows import as_ids, with_truth
from gristmill.monitoring.prediction_columns import ID, RUN, TRUTH


@pytest.mark.parametrize(
    ("column", "ids"),
    [
        (pd.Series(["007", "a", None, ""]), ["007", "a", None, None]),
        (pd.Series([7, 8]), ["7", "8"]),
        (pd.Series([7.0, None]), ["7", None]),  # as pandas reads integers next to an empty cell
    ],
)
def test_ids_are_text(column: "pd.Series[object]", ids: list[str | None]) -> None:
    assert as_ids(column).tolist() == ids


def test_the_last_prediction_of_a_model_for_an_id_counts() -> None:
    log = pd.DataFrame({RUN: ["r", "r", "s", "r", "r"], ID: ["a", "a", "a", None, None], "y": [1, 2, 3, 4, 5]})
    found = with_truth(log, pd.DataFrame({ID: ["a", "b"], TRUTH: [0.5, 1.0]}), "y")
    assert found["y"].tolist() == [2, 3, 4, 5]
    assert found[TRUTH].fillna(-1).tolist() == [0.5, 0.5, -1, -1]


def test_a_log_of_another_target_cannot_be_compared() -> None:
    with pytest.raises(RequestError, match="no logged prediction has a column 'z'"):
        with_truth(pd.DataFrame({ID: ["a"]}), pd.DataFrame({ID: [], TRUTH: []}), "z")

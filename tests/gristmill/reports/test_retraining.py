"""The report on retrainings says how often the winner changed."""

import pytest

from gristmill.reports.retraining import winner_changes


@pytest.mark.parametrize(
    ("winners", "changes"),
    [
        ([["theta"], ["theta"]], "0 times over the last 2"),
        ([["theta"], ["ridge", "theta"], ["ridge", "theta"], ["theta"]], "2 times over the last 4"),
    ],
)
def test_changes_between_neighbouring_retrainings_are_counted(winners: list[list[str]], changes: str) -> None:
    assert winner_changes(winners) == f"The candidates in the winner changed {changes} judged retrainings."


@pytest.mark.parametrize("winners", [[], [["theta"]]])
def test_one_retraining_cannot_have_changed_it(winners: list[list[str]]) -> None:
    assert winner_changes(winners) == ""

"""Which retrainings have the same recipe: those whose challengers would be the same."""

from typing import Any

import pytest

from gristmill.runs.retraining_record import DataChanges, Retraining, same_settings

JUDGED: dict[str, dict[str, Any]] = {"train": {"epochs": 3}, "schedule": {"cron": "@daily"}, "export": {"refit": True}}


@pytest.mark.parametrize(
    ("today", "same"),
    [
        (JUDGED, True),
        (JUDGED | {"schedule": {"cron": None}}, True),
        (JUDGED | {"schema": {"frequency": "D"}}, True),  # it lets data pass or stops it, and changes no challenger
        (JUDGED | {"export": {"refit": False}}, True),  # which the retraining set itself
        (JUDGED | {"train": {"epochs": 4}}, False),
    ],
)
def test_what_makes_no_other_challenger_is_the_same_recipe(today: dict[str, Any], same: bool) -> None:
    assert same_settings(JUDGED, today, ["export.refit=true"]) == same


def retraining(*winner: str) -> Retraining:
    return Retraining(champion=1, news=DataChanges(later=9), unjudged=9, winner=list(winner))


@pytest.mark.parametrize(
    ("earlier", "winner", "changes"),
    [
        ([["theta"]], ["theta"], "0 times over the last 2"),
        ([["theta"], [], ["theta"], ["ets"]], ["ets", "theta"], "2 times over the last 4"),
        ([["a"], ["b"]] * 9, ["a"], "8 times over the last 10"),
    ],
)
def test_changes_of_the_winner_between_judged_retrainings_are_counted(
    earlier: list[list[str]], winner: list[str], changes: str
) -> None:
    present = retraining().with_winner(winner, (retraining(*names) for names in earlier))

    assert present.winner == winner
    assert present.winner_changes == f"The candidates in the winner changed {changes} judged retrainings."


@pytest.mark.parametrize(("earlier", "winner"), [([], ["theta"]), ([[]], ["theta"]), ([[]], [])])
def test_one_winner_cannot_have_changed(earlier: list[list[str]], winner: list[str]) -> None:
    assert retraining().with_winner(winner, (retraining(*names) for names in earlier)).winner_changes == ""


def test_records_of_earlier_releases_are_read() -> None:
    written = retraining("theta").model_dump(mode="json", exclude={"recovered", "last_winners"})

    assert Retraining.model_validate(written).winner_changes == ""

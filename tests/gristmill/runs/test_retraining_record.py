"""Which retrainings have the same recipe: those whose challengers would be the same."""

from typing import Any

import pytest

from gristmill.runs.retraining_record import same_settings

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

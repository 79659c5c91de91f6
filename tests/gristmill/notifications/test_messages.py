"""Messages that follow from run records: each kind, and when a condition that lasts gives no further message."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gristmill.notifications.messages import Facts, Message, due_messages
from gristmill.runs.records import Record
from gristmill.runs.retraining_record import BaselineDrift, DataChanges, Drift, Judgement, MeanDrift, Retraining
from gristmill.settings.file_tables import Notify

START = datetime(2026, 3, 1, 6, tzinfo=UTC)
RULES = Notify(url_env="OPS_URL", rejections=3)
JUDGEMENT = Judgement(
    metric="mae",
    scores={"challenger": 2.0, "champion": 3.0},
    items=28,
    difference=1.0,
    interval=None,
    best_baseline=None,
    promoted=True,
    why="mae 2 against the champion's 3",
)


def run(day: int, retraining: Retraining | None = None, **fields: Any) -> Record:
    """Return the record of a run on a day."""
    started = START + timedelta(days=day)
    given = {"outcome": "succeeded", "finished": started + timedelta(seconds=90)} | fields
    return Record(
        id=f"run-{day:03d}",
        pipeline="shop",
        domain="timeseries",
        settings={},
        overrides=[],
        started=started,
        versions={},
        host="here",
        pid=1,
        retraining=retraining,
        **given,
    )


def retrained(champion: int | None = 1, **fields: Any) -> Retraining:
    return Retraining(champion=champion, news=DataChanges(later=7), unjudged=7, **fields)


def drifting(alarm: bool, baseline: bool | None = None, champion: int = 1) -> Retraining:
    errors = MeanDrift(probability=0.001 if alarm else 0.5, count=12, mean=9.0, mean_before=3.0)
    worse = None
    if baseline is not None:
        worse = BaselineDrift(
            probability=0.001 if baseline else 0.5, name="naive", metric="mae", champion=9.0, baseline=4.0
        )
    return retrained(champion, drift=Drift(errors=errors, inputs=[], baseline=worse))


def due(*records: Record, promoted: int | None = None, champion: int | None = 1) -> list[Message]:
    """Return the messages about the last of these records; the others are earlier, oldest first."""
    *earlier, last = records
    return list(due_messages(Facts(last, "retrain", lambda: earlier[::-1], promoted, champion), RULES))


def kinds(messages: list[Message]) -> list[tuple[str, str]]:
    return [(message.kind, message.began) for message in messages]


def test_a_run_that_succeeds_gives_no_message() -> None:
    assert due(run(0)) == []
    assert due(run(0, retraining=retrained(verdict="nothing new", why="0 rows"))) == []
    assert due(run(0, outcome="interrupted")) == []  # somebody stopped it


def test_a_failure_says_what_failed_which_version_serves_and_what_to_do() -> None:
    (message,) = due(run(0, outcome="failed", error="DataError: shop.csv: not found."))

    assert message.subject == "shop: retraining failed"
    assert message.body.splitlines() == [
        "The retraining run-000 failed after 90.0 s.",
        "Error: DataError: shop.csv: not found.",
        "Version 1 serves.",
        "Fix the cause and run again: gristmill retrain shop",
        "Details: gristmill show shop --run run-000",
    ]


def test_the_same_error_in_every_run_is_one_condition_until_a_run_succeeds() -> None:
    first, again = run(0, outcome="failed", error="a"), run(1, outcome="failed", error="a")
    other = run(2, outcome="failed", error="b")
    trial = run(2, outcome="failed", error="b", trial=True)

    assert kinds(due(first)) == kinds(due(first, again)) == kinds(due(first, trial, again)) == [("failed", "run-000")]
    assert kinds(due(first, again, other)) == [("failed", "run-002")]
    assert kinds(due(first, run(1), run(2, outcome="failed", error="a"))) == [("failed", "run-002")]


def test_a_killed_run_is_a_message_each_time() -> None:
    killed = [run(day, outcome="interrupted", finished=None) for day in (0, 1)]

    assert kinds(due(*killed)) == [("killed", "run-001")]
    (message,) = due(killed[0], champion=None)
    assert message.subject == "shop: retraining killed"
    by_hand = "Continue by hand: gristmill retrain shop\n"
    assert f"\nNo version serves yet.\nFinished stages are kept. {by_hand}" in message.body
    (message,) = due(run(0, outcome="interrupted", finished=None, restarts=True))
    assert f"A worker or gristmill schedule that still runs starts it once more. {by_hand}" in message.body


@pytest.mark.parametrize("outcome", ["running", "succeeded"])
def test_drift_is_told_before_the_run_ends_and_once_about_a_champion(outcome: str) -> None:
    calm, alarmed = run(0, retraining=drifting(False)), run(1, retraining=drifting(True))
    later, waiting = run(3, retraining=drifting(True), outcome=outcome), run(2, retraining=retrained())

    assert due(calm) == []
    assert kinds(due(calm, alarmed)) == kinds(due(calm, alarmed, waiting, later)) == [("drift", "run-001")]
    assert kinds(due(alarmed, run(2, retraining=drifting(False)), later)) == [("drift", "run-003")]
    assert kinds(due(alarmed, run(2, retraining=drifting(True, champion=2)))) == [("drift", "run-002")]
    (message,) = due(calm, alarmed)
    assert "mean error 9 of 12 new examples, 3 in the test set, probability 0.001" in message.body


def test_a_champion_worse_than_a_baseline_is_a_message_of_its_own() -> None:
    worse = run(1, retraining=drifting(False, baseline=True))

    assert due(run(1, retraining=drifting(False, baseline=False))) == []
    assert kinds(due(run(0, retraining=drifting(True)), worse)) == [("baseline", "run-001")]
    assert kinds(due(run(0, retraining=drifting(True, True)), run(1, retraining=drifting(True, True)))) == [
        ("drift", "run-000"),
        ("baseline", "run-000"),
    ]
    (message,) = due(worse)
    assert "the champion is worse than naive: mae 9 against 4, probability 0.001" in message.body


def test_a_promotion_names_both_versions_and_the_scores() -> None:
    promoted = run(0, retraining=retrained(judgement=JUDGEMENT, verdict="promoted", version=2))

    (message,) = due(promoted, promoted=2, champion=2)

    assert (message.kind, message.subject) == ("promoted", "shop: version 2 promoted")
    assert message.body.splitlines()[:4] == [
        "A retraining of shop promoted version 2, instead of version 1.",
        "Why: mae 2 against the champion's 3",
        "Version 2 serves.",
        "To go back: gristmill rollback shop",
    ]


def test_a_promotion_is_told_of_a_run_that_was_killed_after_it() -> None:
    killed = run(0, retraining=retrained(None), outcome="interrupted", finished=None)

    assert kinds(due(killed, promoted=1)) == [("promoted", "run-000"), ("killed", "run-000")]


def test_rejections_in_a_row_are_counted_since_the_champion_serves() -> None:
    def rejected(day: int, champion: int = 1, **fields: Any) -> Record:
        return run(day, retraining=retrained(champion, verdict="rejected", why="not better"), **fields)

    idle = run(2, retraining=retrained(verdict="waiting"))

    assert due(rejected(0), rejected(1)) == []
    assert kinds(due(rejected(0), rejected(1), idle, rejected(3))) == [("rejected", "run-000")]
    assert kinds(due(rejected(0), rejected(1), rejected(2), rejected(3))) == [("rejected", "run-000")]
    assert due(rejected(0, champion=2), rejected(1), rejected(2)) == []
    assert due(rejected(0), rejected(1), rejected(2, outcome="running")) == []  # it may still recover
    (message,) = due(rejected(0), rejected(1), rejected(2))
    assert message.subject == "shop: 3 challengers rejected in a row"


def test_a_silent_source_is_told_once_until_there_is_new_data() -> None:
    def retraining(day: int, silent: bool = True, **fields: Any) -> Record:
        return run(day, retrained(verdict="nothing new", silent_since=START if silent else None), **fields)

    assert due(retraining(0, silent=False)) == []
    assert kinds(due(retraining(0), run(1), retraining(2))) == [("silent", "run-000")]
    assert kinds(due(retraining(0), retraining(1, silent=False), retraining(2))) == [("silent", "run-002")]
    (message,) = due(retraining(3))
    assert message.subject == "shop: no new data"
    assert message.body.startswith("The newest data of shop is from 2026-03-01 06:00 UTC.\n")
    ended = retrained(silent_since=START, quarantined=20).ended("nothing new", "all rows were judged before")
    assert ended.why == "all rows were judged before; 20 unusable rows set aside"
    assert "UTC.\n20 unusable rows set aside.\n" in due(run(4, ended))[0].body

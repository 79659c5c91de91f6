"""`gristmill check`: a pipeline that was run is checked, and nothing is brought up to date for it."""

from pathlib import Path

import pytest

from helpers.support import Command, edit, records

pytest_plugins = ["helpers.end_to_end"]


def test_a_finished_run_is_checked_and_its_tests_are_told(finished: Path, command: Command) -> None:
    before = records(finished)

    told = command("check", "small", "--json")

    assert told.status == 0
    assert told.json["pipeline"] == "small"
    assert [(check["name"], check["verdict"]) for check in told.json["checks"]] == [
        ("overfits a few examples", "not applicable"),
        ("trains reproducibly", "passed"),
    ]
    tests = {(test["section"], test["number"]): test for test in told.json["tests"]}
    assert len(tests) == 28
    assert tests["Infrastructure", 3]["verdict"] == "passes"
    assert before[0].id in tests["Infrastructure", 3]["details"]
    assert tests["Monitoring", 3]["verdict"] == "passes"
    assert "39" in tests["Monitoring", 3]["details"]  # windows of the test set
    assert tests["Monitoring", 5]["verdict"] == "by hand"  # there is no loss
    assert told.json["score"] == min(told.json["points"].values())
    assert records(finished) == before


def test_a_run_that_is_stale_is_told_and_what_is_prepared_still_checked(finished: Path, command: Command) -> None:
    edit(finished / "pipelines.toml", "order = 3", "order = 4")

    told = command("check", "small")

    assert told.status == 0
    assert f"Its last run, {records(finished)[0].id}, is not up to date: gristmill plan small says why.\n" in told.out
    assert "not passed      3 The full pipeline is integration tested" in told.out
    assert "of 28 pass automatically" in told.out


@pytest.mark.slow
def test_a_run_by_other_settings_that_came_after_is_not_judged(finished: Path, command: Command) -> None:
    today = records(finished)[0].id
    assert command("run", "small", "--set", "model.l2=7.0").status == 0
    assert len(records(finished)) == 2

    told = command("check", "small", "--json")

    (whole,) = (test for test in told.json["tests"] if (test["section"], test["number"]) == ("Infrastructure", 3))
    assert whole["verdict"] == "passes"
    assert today in whole["details"]


def test_a_pipeline_that_never_ran_is_to_be_run_first(project: Path, command: Command) -> None:
    told = command("check", "small")

    assert told.status == 2
    assert told.err == (
        "error: preprocess of small is not up to date (depends on ingest), and check trains on its result. "
        "Run first: gristmill run small.\n"
    )


@pytest.mark.slow
def test_a_network_that_cannot_learn_ends_with_one(finished: Path, command: Command) -> None:
    (finished / "models.py").write_text(BLIND)
    edit(finished / "pipelines.toml", 'kind = "linear"', 'kind = "models.py:blind"')

    told = command("check", "small")

    assert told.status == 1
    assert told.out.startswith("failed          overfits a few examples\n")


BLIND = """
import keras


def blind(shape):
    window = keras.Input((shape.history, shape.columns))
    seen = keras.layers.Flatten()(keras.layers.Rescaling(0.0)(window))
    return keras.Model(window, keras.layers.Dense(shape.outputs)(seen))
"""

"""`gristmill check`: a pipeline that was run is checked, and nothing is brought up to date for it."""

from pathlib import Path

import pytest

from helpers.support import Command, edit, records

pytest_plugins = ["helpers.end_to_end"]


def test_a_finished_run_is_checked_and_nothing_is_recorded(finished: Path, command: Command) -> None:
    before = records(finished)

    told = command("check", "small", "--json")

    assert told.status == 0
    assert told.json["pipeline"] == "small"
    assert [(check["name"], check["verdict"]) for check in told.json["checks"]] == [
        ("overfits a few examples", "not applicable"),
        ("trains reproducibly", "passed"),
    ]
    assert records(finished) == before


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

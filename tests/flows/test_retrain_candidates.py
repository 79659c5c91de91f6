"""Retraining of a pipeline with candidates: which are trained, and the champion's recipe beside a new selection."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from gristmill.errors import WorkError
from gristmill.project.project import Project
from gristmill.registry.registry import Registry
from gristmill.reports.retraining import write_retraining
from gristmill.retraining.gate import judge_contest
from gristmill.runs.records import Record
from gristmill.runs.retraining_record import Drift
from helpers.support import records

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.usefixtures("parity_here", "prefect_api"), pytest.mark.slow]

PIPELINE = """
[pipelines.play]
domain = "generation"
source = { kind = "files", path = "text.txt" }
preprocess = { length = 10, validation = 0.1, test = 0.2 }
train = { epochs = 1, batch_size = 8 }
evaluate = { order = 3, temperatures = [0.8], sample = 20 }
gate = { window = 4 }
schedule = { budget = "1 hour" }

[pipelines.play.model]
kind = "auto"
preset = "none"
candidates = ["unigram", { model = { kind = "ngram", order = 3 } }, { model = { kind = "gru", recurrent = [4] } }]
"""
NAMES = ("Anna", "Bert", "Clara", "Dora", "Emil", "Frida")

Retrain = Callable[..., Record]


def retraining_in(folder: Path) -> Retrain:
    """Return a function that retrains the project of a folder on the first so many lines."""
    from gristmill.flows.retrain import retrain

    random = np.random.default_rng(0)
    lines = [f"{one} met {other}.\n" for one, other in random.choice(NAMES, (400, 2)).tolist()]
    (folder / "pipelines.toml").write_text(PIPELINE)

    def call(count: int, *overrides: str) -> Record:
        (folder / "text.txt").write_text("".join(lines[:count]))
        return Record.model_validate(retrain("play", list(overrides), str(folder)))

    return call


@pytest.fixture(scope="module")
def first_retraining(tmp_path_factory: pytest.TempPathFactory, parity_here: None, prefect_api: str) -> Path:
    """The project after a first retraining on 200 lines. It must not be written to: copy it."""
    folder = tmp_path_factory.mktemp("first")
    retraining_in(folder)(200)
    return folder


@pytest.fixture
def retrained(first_retraining: Path, tmp_path: Path) -> Retrain:
    """Return a function that goes on after the first retraining."""
    shutil.copytree(first_retraining, tmp_path, symlinks=True, dirs_exist_ok=True)
    return retraining_in(tmp_path)


def trained(record: Record) -> list[str]:
    return [label.removeprefix("train ") for label in record.stages if label.startswith("train ")]


def test_networks_are_left_out_until_there_is_an_alarm(retrained: Retrain, tmp_path: Path) -> None:
    from gristmill.tasks.stage_tasks import run_up_to

    (first,) = records(tmp_path, "play")

    assert trained(first) == ["unigram", "ngram", "gru"]
    assert first.retraining
    assert (first.retraining.verdict, first.retraining.winner) == ("promoted", ["ngram"])
    assert (first.budget, first.untried) == (3600, [])

    second = retrained(300)

    assert (trained(second), second.untried) == (["unigram", "ngram"], ["gru"])
    assert second.retraining
    assert second.retraining.judgement
    assert {"challenger", "champion", "ngram"} < set(second.retraining.judgement.scores)
    assert second.retraining.judgement.scores["challenger"] == second.retraining.judgement.scores["ngram"]
    assert (second.retraining.winner, second.retraining.kept_recipe) == (["ngram"], False)
    page = write_retraining(second, "", Project.open(tmp_path).store).read_text()
    assert "The challenger is ngram: selected." in page
    assert "The candidates in the winner changed 0 times over the last 2 judged retrainings." in page

    def stop_after_training(last: str, *given: Any) -> Any:
        found = run_up_to("train" if last == "evaluate" else last, *given)
        if last == "evaluate":
            raise WorkError("this is enough")
        return found

    with (
        patch.object(Drift, "alarms", ["an alarm"]),
        patch("gristmill.flows.retrain.run_up_to", stop_after_training),
        pytest.raises(WorkError, match="this is enough"),
    ):
        retrained(400)

    assert trained(records(tmp_path, "play")[-1]) == ["unigram", "ngram", "gru"]


def test_a_new_selection_must_be_better_than_the_champions_recipe(retrained: Retrain, tmp_path: Path) -> None:
    for margin, kept in ((0.99, True), (0.0, False)):
        with patch("gristmill.tasks.retraining.recipe_of", lambda *_: {"unigram": 1.0}):
            found = retrained(300, f"gate.margin={margin}")

        assert found.retraining
        assert found.retraining.judgement
        scores = found.retraining.judgement.scores
        assert (found.retraining.kept_recipe, found.retraining.winner) == (kept, ["unigram" if kept else "ngram"])
        assert scores["challenger"] == scores["unigram" if kept else "ngram"]
        assert scores["new selection" if kept else "champion's recipe"] == scores["ngram" if kept else "unigram"]
        assert found.retraining.verdict == ("rejected" if kept else "promoted")
    champion = Registry(Project.open(tmp_path).store).champion("play")
    assert champion
    assert champion.references == found.references
    assert champion.evaluated.selected
    assert champion.evaluated.selected.members == {"ngram": 1.0}


def test_the_champions_recipe_serves_again_after_a_fit_on_new_data(retrained: Retrain, tmp_path: Path) -> None:
    weak = Project.open(tmp_path, {"play": ["select.weights={unigram=1.0}"]})
    weak.run("play")
    weak.promote("play")
    with (
        patch("gristmill.retraining.gate.keeps_recipe", lambda *_: True),
        patch(
            "gristmill.retraining.gate.judge_contest",
            lambda *given: judge_contest(*given).model_copy(update={"promoted": True}),
        ),
    ):
        found = retrained(300)

    assert found.retraining
    assert (found.retraining.kept_recipe, found.retraining.winner) == (True, ["unigram"])
    champion = Registry(Project.open(tmp_path).store).champion("play")
    assert champion
    assert (champion.number, champion.references) == (found.retraining.version, found.references)
    assert champion.evaluated.selected
    assert champion.evaluated.selected.members == {"unigram": 1.0}
    assert Project.open(tmp_path).reproduce("play", champion.number).other_results == []

"""Retraining of a pipeline with candidates: which are trained, and the champion's recipe beside a new selection."""

import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

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
    from flows.retrain import retrain

    random = np.random.default_rng(0)
    lines = [f"{one} met {other}.\n" for one, other in random.choice(NAMES, (400, 2)).tolist()]
    (folder / "pipelines.toml").write_text(PIPELINE)

    def call(count: int, *overrides: str) -> Record:
        (folder / "text.txt").write_text("".join(lines[:count]))
        return Record.model_validate(retrain("play", list(overrides), str(folder)))

    return call


@pytest.fixture
def retrain(tmp_path: Path) -> Retrain:
    return retraining_in(tmp_path)


@pytest.fixture(scope="module")
def first_retraining(tmp_path_factory: pytest.TempPathFactory, parity_here: None, prefect_api: str) -> Path:
    """The project after a first retraining on 200 lines. It must not be written to: copy it."""
    folder = tmp_path_factory.mktemp("first")
    retraining_in(folder)(200)
    return folder


@pytest.fixture
def retrained(first_retraining: Path, tmp_path: Path) -> Retrain:
    """As `retrain`, after the first retraining."""
    shutil.copytree(first_retraining, tmp_path, symlinks=True, dirs_exist_ok=True)
    return retraining_in(tmp_path)


def trained(record: Record) -> list[str]:
    return [label.removeprefix("train ") for label in record.stages if label.startswith("train ")]


def test_networks_are_left_out_until_there_is_an_alarm(retrained: Retrain, tmp_path: Path) -> None:
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

    with patch.object(Drift, "alarms", ["an alarm"]):
        third = retrained(400)

    assert trained(third) == ["unigram", "ngram", "gru"]


@pytest.mark.parametrize(("margin", "kept"), [(0.0, False), (0.99, True)])
def test_a_new_selection_must_be_better_than_the_champions_recipe(
    margin: float, kept: bool, retrained: Retrain, tmp_path: Path
) -> None:
    with patch("tasks.retraining.recipe_of", lambda *_: {"unigram": 1.0}):
        found = retrained(300, f"gate.margin={margin}")

    assert found.retraining
    assert found.retraining.judgement
    scores = found.retraining.judgement.scores
    assert (found.retraining.kept_recipe, found.retraining.winner) == (kept, ["unigram" if kept else "ngram"])
    assert scores["challenger"] == scores["unigram" if kept else "ngram"]
    assert scores["new selection" if kept else "champion's recipe"] == scores["ngram" if kept else "unigram"]
    assert found.retraining.verdict == ("rejected" if kept else "promoted")
    if not kept:
        champion = Registry(Project.open(tmp_path).store).champion("play")
        assert champion
        assert champion.references == found.references
        assert champion.evaluated.selected
        assert champion.evaluated.selected.members == {"ngram": 1.0}


def test_the_champions_recipe_serves_again_after_a_fit_on_new_data(retrain: Retrain, tmp_path: Path) -> None:
    with patch("gristmill.domains.common.selection.ensemble_weights", lambda *_: {"unigram": 1.0}):
        retrain(200)
    champion = Registry(Project.open(tmp_path).store).champion("play")
    assert champion is None  # it was worse than n-grams
    Project.open(tmp_path).run("play")
    Project.open(tmp_path).promote("play")
    with (
        patch("gristmill.retraining.gate.keeps_recipe", lambda *_: True),
        patch(
            "gristmill.retraining.gate.judge_contest",
            lambda *given: judge_contest(*given).model_copy(update={"promoted": True}),
        ),
    ):
        found = retrain(300)

    assert found.retraining
    assert (found.retraining.kept_recipe, found.retraining.winner) == (True, ["unigram"])
    champion = Registry(Project.open(tmp_path).store).champion("play")
    assert champion
    assert (champion.number, champion.references) == (found.retraining.version, found.references)
    assert champion.evaluated.selected
    assert champion.evaluated.selected.members == {"unigram": 1.0}
    assert Project.open(tmp_path).reproduce("play", champion.number).other_results == []

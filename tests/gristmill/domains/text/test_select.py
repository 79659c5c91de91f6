"""Candidates are trained, one average of them is selected, and evaluate and export take it like any trained model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.config.candidates import Candidate, candidates_of
from gristmill.config.domains import domain_of
from gristmill.domains.common.candidates import CandidateArtifacts, write_candidate
from gristmill.domains.common.classification.held_out import read_held_out
from gristmill.domains.text import dataset
from gristmill.domains.text.dataset import texts_of
from gristmill.domains.text.evaluate import evaluate
from gristmill.domains.text.presets import PRESETS
from gristmill.domains.text.select import select
from gristmill.domains.text.settings import Evaluate, Train
from gristmill.domains.text.text_classifier import TextClassifier
from gristmill.domains.text.train import train
from gristmill.errors import Unsuitable, WorkError
from gristmill.settings.base import Settings
from gristmill.settings.selection import Auto, Select
from gristmill.util.table_io import read_document, read_table
from helpers.eager import eagerly
from helpers.small_judged_texts import exported
from helpers.small_scored_texts import NEIGHBOURS, Folders, folders_below, write_texts

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("eager")]  # test_selection in common is faster

CLASSES = ["bad", "fair", "good"]

pytest_plugins = ["helpers.end_to_end"]


def candidates(preset: str, **tables: Settings) -> list[Candidate]:
    """Return the candidates of a preset, in a pipeline with these tables."""
    given: Any = {"model": Auto(kind="auto", preset=preset), "train": Train()}
    assert set(given) <= set(domain_of("text").tables)
    return candidates_of("text", given | tables)


def fit(candidate: Candidate, folders: Folders, out: Path, **settings: Any) -> dict[str, int]:
    out.mkdir()
    tables: Any = dict(candidate.tables)
    if getattr(tables["model"], "pairs", 0):
        tables["model"] = tables["model"].model_copy(update={"pairs": 100})  # faster
    inputs: Any = {name: folders[name] for name in ("ingest", "preprocess")}
    places: Any = {"scratch": out / "scratch", "logs": out / "logs"}
    how = tables["train"].model_copy(update=settings)
    counts = train(model=tables["model"], train=how, **inputs, **places, on_epoch=lambda epoch: None, out=out)
    write_candidate(tables, out)
    return counts


@pytest.fixture(scope="module")
def selected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folders, dict[str, CandidateArtifacts]]:
    """A run with few texts and the candidates of preset good, and their artifacts."""
    with eagerly():
        return run(tmp_path_factory.mktemp("selected"))


def run(root: Path) -> tuple[Folders, dict[str, CandidateArtifacts]]:
    """Train the candidates below `root`, select, and evaluate."""
    folders = folders_below(root)
    write_texts(folders, CLASSES, {"train": 60, "validation": 20, "test": 40})
    made = {}
    for candidate in candidates("good")[:5]:
        assert fit(candidate, folders, root / candidate.name, epochs=3)["parameters"] > 0
        made[candidate.name] = CandidateArtifacts(root / candidate.name)
    folders["train"] = root / "select"
    folders["train"].mkdir()
    counts = select(select=Select(), preprocess=folders["preprocess"], candidates=made, out=folders["train"])
    assert counts["candidates"] == 5
    inputs: Any = {name: folders[name] for name in ("ingest", "preprocess", "train")}
    how, measured = Evaluate(neighbours=NEIGHBOURS), dict[str, float]()
    evaluate(evaluate=how, **inputs, candidates=made, microseconds=measured, out=folders["evaluate"])
    assert list(measured) == list(made)
    return folders, made


def test_with_few_texts_every_candidate_predicts_each_text_once(selected: Any) -> None:
    folders, made = selected
    ids = sorted(dataset.read(folders["preprocess"]).index.query("part != 'test'")["id"])

    assert list(made) == ["majority", "nb_linear", "char_ngrams", "nb_linear-2", "embedding"]
    for candidate in made.values():
        assert sorted(read_held_out(candidate.train)["id"]) == ids


def test_a_linear_candidate_learns_from_the_validation_set_too(selected: Any) -> None:
    folders, made = selected
    classifier = TextClassifier.read(made["majority"].train)

    labels = dataset.read(folders["preprocess"]).index.query("part != 'test'")["label"]
    assert classifier.predict([""])[0] == pytest.approx(np.bincount(labels) / len(labels), abs=1e-6)
    assert not len(read_table(made["majority"].train / "epochs.parquet"))


def test_a_network_is_the_average_of_those_of_three_folds(selected: Any) -> None:
    network = TextClassifier.read(selected[1]["embedding"].train).members[0].network

    assert [layer.name for layer in network.layers if hasattr(layer, "layers")] == ["member_0", "member_1", "member_2"]
    apart = [layer.get_weights()[0] for layer in network.layers if hasattr(layer, "layers")]
    assert not np.array_equal(apart[0], apart[1])


def test_the_selected_average_is_scored_with_all_candidates(selected: Any) -> None:
    folders, _ = selected
    written = read_document(folders["evaluate"] / "scores.json")
    data = dataset.read(folders["preprocess"])

    assert set(written["baselines"]) == {"majority", "nb_linear"}
    assert set(written["candidates"]) == {"char_ngrams", "nb_linear-2", "embedding"}
    assert written["selected"]["on"] == "folds"
    assert sum(written["selected"]["members"].values()) == pytest.approx(1)
    assert written["model"]["test"]["accuracy"] > 0.95  # each text holds a word of its class
    probabilities = TextClassifier.read(folders["train"]).predict(texts_of(data, ["test"], folders["ingest"])["test"])
    rows = read_table(folders["evaluate"] / "predictions.parquet").query("part == 'test'")
    assert rows[[f"p_{name}" for name in CLASSES]].to_numpy() == pytest.approx(probabilities, abs=1e-6)


def test_the_selected_average_is_exported(selected: Any, tmp_path: Path, parity_here: None) -> None:
    exported(selected[0], tmp_path)

    assert read_document(tmp_path / "scores.json")["parity"] < 1e-5
    assert "words and reads up to 20000" in read_document(tmp_path / "signature.json")["input"]["holds"]


def test_a_limit_of_members_is_kept(selected: Any, tmp_path: Path) -> None:
    folders, made = selected

    select(select=Select(max_members=1), preprocess=folders["preprocess"], candidates=made, out=tmp_path)

    assert len(TextClassifier.read(tmp_path).members) == 1


def test_the_time_of_a_prediction_is_limited(selected: Any, tmp_path: Path) -> None:
    folders, made = selected

    with pytest.raises(WorkError, match=r"nb_linear: a prediction takes .* ms, more than select\.max_latency = "):
        select(select=Select(max_latency=1e-9), preprocess=folders["preprocess"], candidates=made, out=tmp_path)


def test_a_quick_network_needs_enough_texts(selected: Any, tmp_path: Path) -> None:
    network = next(one for one in candidates("quick") if one.name == "embedding")

    with pytest.raises(Unsuitable, match=r"^needs at least 1,000 training and validation texts; found 80$"):
        fit(network, selected[0], tmp_path / "embedding")


@pytest.mark.parametrize("preset", list(PRESETS))
def test_every_candidate_of_a_preset_is_valid_and_baselines_come_first(preset: str) -> None:
    found = candidates(preset)

    assert len(found) == len(PRESETS[preset])
    assert [one.name for one in found][:2] == ["majority", "nb_linear"]

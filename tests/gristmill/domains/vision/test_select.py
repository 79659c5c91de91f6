"""Candidates are trained, one average of them is selected, and evaluate and export take it like any trained model."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.common import supervised
from gristmill.domains.common.candidates import CandidateArtifacts, read_selection, write_candidate
from gristmill.domains.common.classification.held_out import read_held_out
from gristmill.domains.common.classification.settings import Evaluate, Train
from gristmill.domains.vision import dataset, few_examples
from gristmill.domains.vision.evaluate import evaluate
from gristmill.domains.vision.export import export
from gristmill.domains.vision.features import features
from gristmill.domains.vision.models.cnn import Cnn
from gristmill.domains.vision.models.linear import Histograms, LinearPixels, Majority
from gristmill.domains.vision.models.transfer import Frozen, Transfer
from gristmill.domains.vision.select import select
from gristmill.domains.vision.settings import Augment, Export
from gristmill.domains.vision.train import train
from gristmill.errors import Unsuitable
from gristmill.settings.selection import Select
from gristmill.training import saved_network
from gristmill.training.train_steps import ClosedForm
from gristmill.util.table_io import read_document, read_table
from helpers.small_base import CUT, SMALL
from helpers.small_prepared import coloured, write_prepared

pytestmark = pytest.mark.slow  # the rules of the selection are tested faster in common

pytest_plugins = ["helpers.end_to_end", "helpers.small_base"]

CLASSES = ["a", "b", "c"]
MODELS: dict[str, Any] = {
    "majority": Majority(kind="majority"),
    "linear_pixels": LinearPixels(kind="linear_pixels"),
    "histograms": Histograms(kind="histograms", features="gradients"),
    "cnn": Cnn(kind="cnn", filters=(4,), units=()),
}

Folders = dict[str, Path]


def fit(model: Any, folders: Folders, out: Path, few: Any = "average", features: Path | None = None) -> dict[str, int]:
    out.mkdir()
    settings = Train(epochs=2, batch_size=16, few_examples=few, schedule="one_cycle")
    counts = train(
        model=model,
        augment=Augment(),
        train=settings,
        preprocess=folders["preprocess"],
        features=features,
        out=out,
        scratch=out.parent / f"{out.name} scratch",
        logs=out.parent / f"{out.name} logs",
        on_epoch=lambda epoch: None,
    )
    write_candidate({"model": model, "train": settings}, out)
    return counts


@pytest.fixture(scope="module")
def selected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Folders, dict[str, CandidateArtifacts]]:
    """A run with few images and several candidates, and their artifacts."""
    root = tmp_path_factory.mktemp("selected")
    folders = {name: root / name for name in ("preprocess", "train", "evaluate")}
    parts = {"train": coloured(60), "validation": coloured(21, seed=1), "test": coloured(30, seed=2)}
    write_prepared(folders["preprocess"], parts, CLASSES)
    made = {}
    for name, model in MODELS.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(supervised, "CLOSED_FORM_FOLDS", 2)
            fit(model, folders, root / name)
        made[name] = CandidateArtifacts(root / name)
    for name in ("train", "evaluate"):
        folders[name].mkdir()
    counts = select(select=Select(), preprocess=folders["preprocess"], candidates=made, out=folders["train"])
    assert counts["candidates"] == 4
    measured: dict[str, float] = {}
    read: Any = {"preprocess": folders["preprocess"], "train": folders["train"], "candidates": made}
    evaluate(evaluate=Evaluate(), **read, microseconds=measured, out=folders["evaluate"])
    assert list(measured) == list(made)
    return folders, made


def test_with_few_images_every_candidate_predicts_each_of_them_once(selected: Any) -> None:
    folders, made = selected
    ids = sorted(dataset.read(folders["preprocess"]).index.query("part != 'test'")["id"])

    for candidate in made.values():
        assert sorted(read_held_out(candidate.train)["id"]) == ids


def test_held_out_predictions_are_those_of_a_fit_without_them(selected: Any) -> None:
    folders, made = selected
    rows = read_held_out(made["majority"].train)

    shares = rows[[f"p_{name}" for name in CLASSES]].to_numpy()
    assert len(np.unique(shares.round(6), axis=0)) > 1  # folds differ by what is left out
    labels = dataset.read(folders["preprocess"]).index.query("part != 'test'")["label"]
    whole = saved_network.read(made["majority"].train).predict_on_batch(np.zeros((1, 48, 40, 3), np.uint8))
    assert whole[0] == pytest.approx(np.bincount(labels) / len(labels), abs=1e-6)


def test_a_network_is_the_average_of_those_of_three_folds(selected: Any) -> None:
    network = saved_network.read(selected[1]["cnn"].train)

    folds = [layer for layer in network.layers if hasattr(layer, "layers")]
    assert [layer.name for layer in folds] == ["member_0", "member_1", "member_2"]
    assert not np.array_equal(folds[0].get_weights()[0], folds[1].get_weights()[0])
    assert not list(selected[1]["cnn"].train.glob("fold*"))


def test_the_selected_average_is_scored_with_all_candidates(selected: Any) -> None:
    folders, _ = selected
    written = read_document(folders["evaluate"] / "scores.json")

    assert set(written["baselines"]) == {"majority", "linear_pixels"}
    assert set(written["candidates"]) == {"histograms", "cnn"}
    assert written["selected"]["on"] == "folds"
    assert "linear_pixels" in written["selected"]["members"]
    assert written["model"]["test"]["accuracy"] > 0.9
    network = saved_network.read(folders["train"])
    rows = read_table(folders["evaluate"] / "predictions.parquet").query("part == 'test'")
    pixels = dataset.read(folders["preprocess"]).pixels("test")
    assert rows[[f"p_{name}" for name in CLASSES]].to_numpy() == pytest.approx(
        network.predict_on_batch(pixels), abs=1e-6
    )


def test_the_selected_average_is_exported_in_every_format(selected: Any, tmp_path: Path, parity_here: None) -> None:
    read = {name: selected[0][name] for name in ("preprocess", "train", "evaluate")}

    export(export=Export(formats=("saved_model", "keras", "lite", "onnx")), **read, out=tmp_path)

    assert read_document(tmp_path / "scores.json")["parity"] < 1e-5


def test_the_average_does_not_depend_on_other_work_of_the_process(selected: Any, tmp_path: Path) -> None:
    folders, made = selected
    keras.Sequential([keras.Input((2,)), keras.layers.Rescaling(2.0), keras.layers.Dense(1)])  # takes names of layers
    again = tmp_path / "again"
    again.mkdir()

    select(select=Select(), preprocess=folders["preprocess"], candidates=made, out=again)

    for name in ("architecture.json", "weights.npz"):
        assert (again / name).read_bytes() == (folders["train"] / name).read_bytes()


def test_a_single_member_may_be_asked_for_and_latency_is_measured(selected: Any, tmp_path: Path) -> None:
    folders, made = selected

    select(
        select=Select(max_members=1, max_latency=1e6),
        preprocess=folders["preprocess"],
        candidates=made,
        out=tmp_path,
    )

    found = read_selection(tmp_path)
    assert found is not None
    assert len(found["members"]) == 1


def test_few_images_can_be_refused(selected: Any, tmp_path: Path) -> None:
    with pytest.raises(Unsuitable, match="needs at least 1,000 training and validation images; found 81"):
        fit(MODELS["cnn"], selected[0], tmp_path / "out", few="refuse")


@pytest.fixture
def two_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit two folds only: each builds its base once more."""
    monkeypatch.setattr(supervised, "CLOSED_FORM_FOLDS", 2)
    monkeypatch.setattr(supervised, "NETWORK_FOLDS", 2)


def test_a_frozen_base_is_fitted_and_scored_on_stored_features(two_folds: None, weights: str, tmp_path: Path) -> None:
    folders = {"preprocess": tmp_path / "data"}
    parts = {"train": coloured(45), "validation": coloured(15, seed=1), "test": coloured(12, seed=2)}
    write_prepared(folders["preprocess"], parts, CLASSES)
    small = {"base": "MobileNetV3Small", "weights": weights, "cut": CUT}
    model = Frozen.model_validate({"kind": "frozen", "side": 40} | small)
    assert isinstance(model, ClosedForm)
    stored = tmp_path / "features"
    stored.mkdir()
    features(model=model, preprocess=folders["preprocess"], out=stored)

    fit(model, folders, tmp_path / "with", features=stored)
    fit(model, folders, tmp_path / "without")

    one, other = (read_held_out(tmp_path / name) for name in ("with", "without"))
    columns = [f"p_{name}" for name in CLASSES]
    assert one["id"].tolist() == other["id"].tolist()
    assert one[columns].to_numpy() == pytest.approx(other[columns].to_numpy(), abs=1e-4)
    (tmp_path / "scored").mkdir()
    read: Any = {"preprocess": folders["preprocess"], "train": tmp_path / "with", "features": stored}
    evaluate(evaluate=Evaluate(), **read, out=tmp_path / "scored")
    rows = read_table(tmp_path / "scored" / "predictions.parquet").query("part == 'test'")
    on_pixels = saved_network.read(tmp_path / "without").predict_on_batch(parts["test"][0])
    assert rows[columns].to_numpy() == pytest.approx(on_pixels, abs=1e-4)


def test_an_average_of_heads_is_scored_on_pixels(two_folds: None, weights: str, tmp_path: Path) -> None:
    folders = {"preprocess": tmp_path / "data"}
    parts = {"train": coloured(40), "validation": coloured(12, seed=1), "test": coloured(10, seed=2)}
    write_prepared(folders["preprocess"], parts, CLASSES)
    model = Transfer.model_validate(SMALL | {"weights": weights, "cut": CUT})
    for name in ("features", "scored"):
        (tmp_path / name).mkdir()
    features(model=model, preprocess=folders["preprocess"], out=tmp_path / "features")
    fit(model, folders, tmp_path / "train", features=tmp_path / "features")
    read: Any = {"preprocess": folders["preprocess"], "train": tmp_path / "train", "features": tmp_path / "features"}

    evaluate(evaluate=Evaluate(), **read, out=tmp_path / "scored")

    made = saved_network.read(tmp_path / "train").predict_on_batch(parts["test"][0])
    rows = read_table(tmp_path / "scored" / "predictions.parquet").query("part == 'test'")
    assert rows[[f"p_{name}" for name in CLASSES]].to_numpy() == pytest.approx(made, abs=1e-6)


def test_a_closed_form_kind_is_fitted_to_the_few_examples_of_a_check(selected: Any, tmp_path: Path) -> None:
    cut = {"preprocess": tmp_path / "cut"}
    cut["preprocess"].mkdir()
    few_examples.take_few_examples(selected[0], cut)

    counts = fit(MODELS["linear_pixels"], cut, tmp_path / "out")

    assert "epochs" not in counts

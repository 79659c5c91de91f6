"""The vision flow, end to end: photos in folders, and stand-ins for the data sets that only a network could fetch."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gristmill.errors import RequestError
from gristmill.project.project import Project
from helpers.small_base import write_weights
from helpers.small_photos import write_photos, write_tfds
from helpers.support import ROOT, made, planned

pytest_plugins = ["helpers.end_to_end", "helpers.small_base"]
pytestmark = pytest.mark.usefixtures("parity_here", "prefect_api")

TRANSFER = """
[pipelines.transfer]
domain = "vision"
source = { kind = "folder", path = "photos" }
preprocess = { size = 32, test = 0.25, validation = 0.25 }
model = { kind = "transfer", base = "MobileNetV3Small", weights = "small.weights.h5", cut = "expanded_conv_project" }
train = { epochs = 1, batch_size = 8, learning_rate = 0.01 }
export = { formats = ["keras"] }
gate = { window = 4 }
schedule = { min_new = 2 }
"""


@pytest.fixture
def project(finished_project: Callable[[str], Path], tmp_path: Path) -> Path:
    """A copy of the finished project."""
    return Path(shutil.copytree(finished_project("vision"), tmp_path / "project", symlinks=True))


def reasons(project: Path, *assignments: str) -> dict[str, str]:
    return planned(Project.open(project, {"shapes": list(assignments)}).plan("shapes"))


@pytest.mark.slow
def test_photos_become_a_classifier_that_predicts_files_and_folders(project: Path) -> None:
    opened = Project.open(project)
    result = opened.result("shapes")
    scores = result.evaluation

    assert (scores["headline"]["metric"], scores["headline"]["secondary_metric"]) == ("log_loss", "accuracy")
    assert set(scores["baselines"]) == {"majority", "linear_pixels"}
    assert reasons(project) == {}
    photo = project / "photos/square/0003.jpg"
    one, all_ = opened.predict("shapes", str(photo)), opened.predict("shapes", str(project / "photos"))
    assert len(one) == 1
    assert len(all_) == 32
    assert one["predicted"].iloc[0] in ("disc", "square")
    assert one.iloc[0, 3:].sum() == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(RequestError, match="--steps: a vision pipeline does not have this option"):
        opened.predict("shapes", str(photo), steps=3)
    page = result.report.read_text()
    assert all(heading in page for heading in ("Confusion matrix", "Calibration", "What the network sees"))


def test_another_head_reads_no_photo_again(project: Path) -> None:
    assert set(reasons(project, "model.units=[8]")) == {"train", "evaluate", "export"}
    assert set(reasons(project, "augment.rotation=10")) == {"train", "evaluate", "export"}
    assert set(reasons(project, "preprocess.size=16")) == {"preprocess", "train", "evaluate", "export"}


def test_a_photo_that_changes_comes_goes_or_moves_to_another_class_is_new_data(project: Path) -> None:
    first, second = project / "photos/disc/0000.jpg", project / "photos/disc/0001.jpg"
    moved = project / "photos/square/moved.jpg"

    first.rename(moved)
    assert reasons(project)["ingest"] == "data source.path"
    moved.rename(first)
    assert reasons(project) == {}
    first.write_bytes(second.read_bytes())
    assert reasons(project)["ingest"] == "data source.path"
    first.unlink()
    assert reasons(project)["ingest"] == "data source.path"


@pytest.mark.slow
def test_another_head_is_trained_on_the_features_that_are_there(tmp_path: Path, first_blocks: None) -> None:
    (tmp_path / "pipelines.toml").write_text(TRANSFER)
    photos = write_photos(tmp_path / "photos", ["disc", "square"], 16)
    write_weights(tmp_path)
    first = Project.open(tmp_path).run("transfer").record
    assert list(first.stages) == ["ingest", "preprocess", "features", "train", "evaluate", "export"]

    def why(*assignments: str) -> dict[str, str]:
        return planned(Project.open(tmp_path, {"transfer": list(assignments)}).plan("transfer"))

    after = {"evaluate": "depends on train", "export": "depends on train"}
    assert why("model.units=[4]") == {"train": "settings model.units [] → [4]"} | after
    assert why("model.pooling=flatten")["features"] == "settings model.pooling average → flatten"
    moving = "settings augment.rotation 0.0 → 10.0; without features"
    assert why("augment.rotation=10") == {"train": moving, "evaluate": "depends on train", "export": "depends on train"}

    second = Project.open(tmp_path, {"transfer": ["model.units=[4]"]}).run("transfer").record
    assert made(second) == {"train", "evaluate", "export"}
    assert second.references["features"] == first.references["features"]

    Project.open(tmp_path).promote("transfer")  # so small a model may be worse than a baseline
    kept = Project.open(tmp_path).run("transfer", refresh="ingest").record
    assert kept.references["features"] == first.references["features"]
    for photo in photos:
        photo.with_name(f"new {photo.name}").write_bytes(photo.read_bytes() + b"\n")  # other bytes, the same picture
    again = Project.open(tmp_path).retrain("transfer")
    assert again.retraining is not None
    assert again.retraining.judgement is not None
    assert {"features", "train", "evaluate"} <= made(again)

    (tmp_path / "small.weights.h5").write_bytes(b"others")
    assert why()["features"] == "data model.weights; preprocess produced different data"


def test_a_slice_by_no_column_is_told_before_the_training(project: Path) -> None:
    opened = Project.open(project, {"shapes": ["train.epochs=5", "evaluate.slices=['format', 'wdith']"]})

    with pytest.raises(RequestError, match=r"evaluate\.slices: unknown column 'wdith'\. Did you mean 'width'"):
        opened.run("shapes")

    newest = next(opened.runs.newest_first("shapes"))
    assert (newest.outcome, list(newest.stages)) == ("failed", ["ingest", "preprocess"])


def stand_in(name: str, folder: Path) -> None:
    """Write a few made-up images in the form in which a catalogue's row expects its data."""
    if name == "sign_mnist":
        random = np.random.default_rng(0)
        for part in ("train", "test"):
            table = np.column_stack([np.arange(72) % 24, random.integers(0, 256, (72, 28 * 28))])
            names = ",".join(["label", *(f"pixel{at}" for at in range(1, 28 * 28 + 1))])
            np.savetxt(folder / f"sign_mnist_{part}.csv", table, "%d", delimiter=",", header=names, comments="")
        return
    write_tfds(folder / "tfds", name, ["rock", "paper", "scissors"], {"train": 12, "test": 6}, version="3.0.0")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rock_paper_scissors", "sign_mnist"])
def test_rows_whose_data_must_be_fetched_run_on_a_stand_in_of_the_same_form(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "pipelines.toml", tmp_path)
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    smaller = ["preprocess.size=48"] if name == "rock_paper_scissors" else []
    opened = Project.open(tmp_path, {name: ["train.epochs=1", "train.batch_size=8", *smaller]})
    assert opened.plan(name)[0].state == "no data"
    stand_in(name, tmp_path)

    scores = opened.run(name).evaluation

    assert 0 <= scores["model"]["test"]["accuracy"] <= 1
    with pytest.raises(RequestError, match=r"is not made of single photos to predict from\. Give a photo"):
        opened.predict(name)
    assert len(scores["classes"]) == {"rock_paper_scissors": 3, "sign_mnist": 24}[name]

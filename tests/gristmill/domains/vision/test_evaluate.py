"""The model's scores stand beside the baselines', each computed from the predictions that are written."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gristmill.domains.common.classification import scores
from gristmill.domains.common.classification.predictions import read_predictions
from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.vision import dataset
from gristmill.domains.vision import evaluate as evaluate_module
from gristmill.domains.vision.evaluate import evaluate
from gristmill.domains.vision.image_classifier import ImageClassifier
from gristmill.errors import RequestError
from gristmill.util.table_io import read_document, read_table
from helpers.small_judged import Folders

pytest_plugins = ["helpers.small_judged"]
pytestmark = pytest.mark.usefixtures("few_folds", "eager")

METRICS = ["accuracy", "precision", "recall", "f1", "log_loss", "brier", "ece"]
FORECASTERS = ["model", "majority", "linear_pixels"]


@pytest.mark.slow
def test_every_image_of_validation_and_test_is_predicted_in_order(judged: Folders) -> None:
    data, rows = dataset.read(judged["preprocess"]), read_table(judged["evaluate"] / "predictions.parquet")

    assert rows["part"].tolist() == ["validation"] * 20 + ["test"] * 40
    assert rows["id"].tolist() == [*data.rows("validation")["id"], *data.rows("test")["id"]]


@pytest.mark.slow
def test_scores_are_those_of_the_written_predictions(judged: Folders) -> None:
    written = read_document(judged["evaluate"] / "scores.json")

    for part in ("validation", "test"):
        rows = read_predictions(judged["evaluate"], part)
        names = written["classes"]
        truth = rows["label"].map(names.index).to_numpy()
        made = rows[[f"p_{name}" for name in names]].to_numpy()
        values = written["model"][part]
        assert list(values) == METRICS
        assert values["accuracy"] == (rows["label"] == rows["predicted"]).mean()
        assert values["log_loss"] == pytest.approx(scores.log_loss(truth, made))
        assert values["ece"] == pytest.approx(scores.ece(truth, made))
        counts = scores.confusion(truth, made.argmax(axis=1), 3)
        assert values["recall"] == pytest.approx((counts.diagonal() / counts.sum(axis=1)).mean())
    assert written["confusion"] == counts.tolist()
    assert sum(one["examples"] for one in written["calibration"]) == 40


def test_baselines_are_scored_as_the_model_and_the_best_is_named(judged: Folders) -> None:
    written = read_document(judged["evaluate"] / "scores.json")

    assert list(written["baselines"]) == FORECASTERS[1:]
    for by_part in written["baselines"].values():
        assert list(by_part) == ["validation", "test"]
        assert list(by_part["test"]) == METRICS
    best = written["baselines"]["linear_pixels"]["test"]["log_loss"]
    assert best < written["baselines"]["majority"]["test"]["log_loss"]
    assert written["best_baseline"] == "linear_pixels"
    assert written["headline"] == {
        "metric": "log_loss",
        "model": written["model"]["test"]["log_loss"],
        "baseline": best,
        "secondary_metric": "accuracy",
    }
    assert written["shown"] == ["log_loss", "accuracy", "f1", "ece"]


def test_classes_and_slices_have_rows_of_their_own(judged: Folders) -> None:
    table = read_table(judged["evaluate"] / "scores.parquet")
    rows = read_predictions(judged["evaluate"], "test")
    camera = dataset.read(judged["preprocess"]).rows("test")["camera"].fillna("–")

    assert table.columns.tolist() == ["part", "forecaster", "by", "group", "examples", *METRICS]
    for name in FORECASTERS:
        own = table[(table["part"] == "test") & (table["forecaster"] == name)]
        assert own["by"].tolist() == ["all", *["camera"] * 3, *["class"] * 3]
        assert own["group"].tolist() == ["", "new", "old", "–", "ball", "cup", "tree"]
        assert own["examples"].tolist() == [40, 13, 14, 13, 20, 10, 10]
    model = table[(table["part"] == "test") & (table["forecaster"] == "model")].set_index("group")
    for value in ("new", "old", "–"):
        chosen = rows[(camera == value).to_numpy()]
        assert model.loc[value, "accuracy"] == pytest.approx((chosen["label"] == chosen["predicted"]).mean())
    for name in ("ball", "cup", "tree"):
        found = rows[rows["label"] == name]
        assert model.loc[name, "recall"] == pytest.approx((found["predicted"] == name).mean())
        assert np.isnan(model.loc[name, "accuracy"])


@pytest.mark.slow
def test_two_classes_have_a_roc_auc_and_a_part_that_is_not_there_has_no_scores(binary: Folders) -> None:
    written = read_document(binary["evaluate"] / "scores.json")
    rows = read_predictions(binary["evaluate"], "test")
    above, below = (rows.loc[rows["label"] == name, "p_dog"].to_numpy() for name in ("dog", "cat"))

    assert list(written["model"]) == ["test"]
    assert written["model"]["test"]["roc_auc"] == pytest.approx((above[:, None] > below).mean())
    assert written["baselines"]["majority"]["test"]["roc_auc"] == 0.5
    assert written["shown"] == ["log_loss", "accuracy", "f1", "roc_auc", "ece"]


def test_errors_and_likely_wrong_labels_of_images_large_enough_have_class_maps(
    judged: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = read_table(judged["evaluate"] / "examples.parquet")
    data, model = dataset.read(judged["preprocess"]), ImageClassifier.read(judged["train"])

    assert shown["class_map"].isna().all()  # the images are small
    monkeypatch.setattr(evaluate_module, "_MIN_SIDE_OF_MAPS", 1)
    maps = evaluate_module.maps_of_doubtful(data, model, shown)

    assert [drawn is not None for drawn in maps] == (shown["shown"] != "cells").tolist()
    assert any(drawn and drawn.startswith(b"\xff\xd8") for drawn in maps)


def test_pictures_of_the_examples_to_show_are_kept(judged: Folders) -> None:
    data = dataset.read(judged["preprocess"])

    shown = read_table(judged["evaluate"] / "examples.parquet")

    pixels = {part: data.pixels(part) for part in ("validation", "test")}
    assert set(shown["shown"]) >= {"errors", "cells"}
    for picture, part, id_ in zip(shown["picture"], shown["part"], shown["id"], strict=True):
        at = data.rows(part)["id"].tolist().index(id_)
        with Image.open(io.BytesIO(picture)) as image:
            assert np.array_equal(np.asarray(image)[..., None], pixels[part][at])


@pytest.mark.slow
def test_a_large_image_is_kept_small(binary: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_module, "_THUMBNAIL_SIDE", 6)
    monkeypatch.setattr(evaluate_module, "_MAX_LOSSLESS_SIDE", 5)
    rows = pd.DataFrame({"part": ["train", "test", "train"], "id": ["train/001", "test/000", "train/001"]})

    made = evaluate_module.thumbnails(dataset.read(binary["preprocess"]), rows)

    with Image.open(io.BytesIO(made[0])) as image:
        assert (image.format, image.size) == ("JPEG", (5, 6))
    assert made[0] == made[2] != made[1]


def test_what_is_seen_of_an_image_of_each_class_is_kept(judged: Folders, binary: Folders) -> None:
    data = dataset.read(judged["preprocess"])
    with np.load(judged["evaluate"] / "feature_maps.npz", allow_pickle=False) as found:
        assert np.array_equal(found["images"], data.pixels("test")[[0, 1, 2]])
    assert not (binary["evaluate"] / "feature_maps.npz").exists()


@pytest.mark.slow
def test_the_same_again_writes_the_same(judged: Folders, tmp_path: Path) -> None:
    settings = Evaluate(slices=("camera",))

    counts = evaluate(evaluate=settings, preprocess=judged["preprocess"], train=judged["train"], out=tmp_path)

    doubted = len(pd.read_csv(tmp_path / "wrong_labels.csv"))
    assert counts == {"validation_images": 20, "test_images": 40, "likely_wrong_labels": doubted}
    written = {path.name: path.read_bytes() for path in judged["evaluate"].iterdir()}
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == written
    json.loads(written["scores.json"], parse_constant=pytest.fail)  # NaN is no JSON


@pytest.mark.parametrize(
    ("column", "said"),
    [("camrea", "unknown column 'camrea'.*Known: camera"), ("class", "'class' is a name that the scores use")],
)
def test_a_slice_by_what_is_no_column_is_refused(judged: Folders, tmp_path: Path, column: str, said: str) -> None:
    with pytest.raises(RequestError, match=f"^evaluate.slices: {said}"):
        evaluate(
            evaluate=Evaluate(slices=("camera", column)),
            preprocess=judged["preprocess"],
            train=judged["train"],
            out=tmp_path,
        )

    assert list(tmp_path.iterdir()) == []

"""A classifier's bundle holds the network that was scored, in each format, and one that is not is refused."""

import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from gristmill.domains.vision import dataset, serving
from gristmill.domains.vision.export import export, signature
from gristmill.domains.vision.settings import Export
from gristmill.errors import ParityError, RequestError
from gristmill.export import bundle
from gristmill.training import saved_network
from gristmill.util.table_io import read_document, read_table, write_table
from helpers.small_classifier import CLASSES, Folders
from helpers.support import CARD, KIT, here

pytest_plugins = ["helpers.end_to_end", "helpers.small_classifier"]

Attempt = Callable[..., Path]


@pytest.fixture
def attempt(classified: Folders, tmp_path: Path, parity_here: None) -> Attempt:
    """Return a function that changes the last scored probability by so much and exports into a folder."""

    def call(change: float = 0.0, formats: tuple[str, ...] = ("keras",)) -> Path:
        tampered, out = tmp_path / "evaluate", tmp_path / "export"
        shutil.copytree(classified["evaluate"], tampered)
        out.mkdir()
        predictions = read_table(tampered / "predictions.parquet")
        predictions.loc[predictions.index[-1], f"p_{CLASSES[0]}"] += change
        write_table(tampered / "predictions.parquet", predictions)
        export(export=Export(formats=formats), **(classified | {"evaluate": tampered}), out=out)
        return out

    return call


@pytest.mark.slow
def test_a_bundle_holds_every_format_the_signature_and_the_scores(bundled: Folders) -> None:
    assert {path.name for path in bundled["export"].iterdir()} == {
        "model.keras",
        "model.onnx",
        "model.tflite",
        "model_quantized.tflite",
        "saved_model",
        "scores.json",
        "signature.json",
        *KIT,
    }
    told = read_document(bundled["export"] / "signature.json")
    signatures = told.pop("signatures")
    assert told == {
        "input": {
            "name": "image",
            "dtype": "uint8",
            "shape": [None, 16, 20, 3],
            "holds": "RGB from 0 to 255, resized by pad",
        },
        "output": {
            "dtype": "float32",
            "shape": [None, 3],
            "columns": CLASSES,
            "holds": "the probability of each class",
        },
        "classes": CLASSES,
        "size": [16, 20],
        "channels": 3,
        "fit": "pad",
        "formats": ["keras", "saved_model", "lite", "onnx"],
    }
    assert list(signatures) == ["serving_default", "serving_bytes"]
    assert "A JPEG is turned upright" in signatures["serving_bytes"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["saved_model", "keras", "lite", "onnx"])
def test_each_format_gives_the_probabilities_that_were_scored(bundled: Folders, form: str) -> None:
    pixels, predictions = (
        dataset.read(bundled["preprocess"]).pixels("test"),
        read_table(bundled["evaluate"] / "predictions.parquet"),
    )

    made = bundle.load(bundled["export"], form)(pixels)

    assert made == pytest.approx(predictions[[f"p_{name}" for name in CLASSES]].to_numpy(), abs=1e-5)
    assert np.ptp(made, axis=0).min() > 0.01  # else a constant would do


@pytest.mark.slow
def test_scores_are_those_of_evaluate_with_the_parity_and_the_quantised_network(bundled: Folders) -> None:
    scores = read_document(bundled["export"] / "scores.json")
    data, predictions = dataset.read(bundled["preprocess"]), read_table(bundled["evaluate"] / "predictions.parquet")
    as_float = predictions[[f"p_{name}" for name in CLASSES]].to_numpy()
    quantized = bundle.load(bundled["export"], "lite_quantized")(data.pixels("test"))

    told = scores.pop("lite_quantized")

    assert 0 <= scores.pop("parity") <= 1e-4
    assert scores == read_document(bundled["evaluate"] / "scores.json")
    likeliest, ours = ([list(row).index(max(row)) for row in made] for made in (quantized, as_float))
    assert told["accuracy"] == sum(map(int.__eq__, likeliest, data.labels("test").tolist())) / 12
    assert told["float_accuracy"] == (predictions["label"] == predictions["predicted"]).mean()
    assert told["same_label"] == sum(map(int.__eq__, likeliest, ours)) / 12
    assert 1e-5 < told["largest_difference"] == pytest.approx(np.abs(quantized - as_float).max())


@pytest.mark.slow
def test_a_quantised_file_is_smaller(bundled: Folders) -> None:
    whole, quantized = (bundled["export"] / name for name in ("model.tflite", "model_quantized.tflite"))

    assert quantized.stat().st_size < 0.7 * whole.stat().st_size


def test_only_what_is_asked_for_is_written(attempt: Attempt) -> None:
    out = attempt()

    assert {path.name for path in out.iterdir()} == {"model.keras", "scores.json", "signature.json", CARD}
    assert "signatures" not in read_document(out / "signature.json")
    assert "lite_quantized" not in read_document(out / "scores.json")


def test_probabilities_that_are_not_the_networks_are_refused(attempt: Attempt, tmp_path: Path) -> None:
    with pytest.raises(
        ParityError, match=r"the network to export gives other predictions than were scored \(by 0\.01\)\. Nothing"
    ):
        attempt(0.01)

    assert not list((tmp_path / "export").iterdir())


def test_another_network_than_the_scored_one_is_refused(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_other(folder: Path) -> object:
        network = real(folder)
        network.layers[-1].bias.assign([1, 0, 0])
        return network

    real = saved_network.read
    monkeypatch.setattr(saved_network, "read", read_other)

    with pytest.raises(ParityError, match="gives other predictions than were scored"):
        attempt()


def test_a_reloaded_model_that_predicts_something_else_is_refused(
    attempt: Attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crooked(exported: Path, formats: Iterable[str], folder: Path) -> None:
        bundle.reproduce(exported, formats, folder)
        made = np.load(folder / "keras.npy")
        np.save(folder / "keras.npy", np.roll(made, 1, axis=0))

    monkeypatch.setattr(bundle, "fresh_process", lambda: here(crooked))

    with pytest.raises(ParityError, match="the exported keras model differs from the scored one by"):
        attempt()
    assert not (tmp_path / "export" / "signature.json").exists()


@pytest.mark.slow
def test_a_signature_that_reads_photos_otherwise_is_refused(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    real = serving.read_image
    monkeypatch.setattr(serving, "read_image", lambda encoded, form: real(encoded, form)[:, ::-1])

    with pytest.raises(ParityError, match="the exported serving_bytes model differs from the scored one by"):
        attempt(formats=("saved_model",))


def test_a_format_whose_extra_is_not_installed_is_refused(
    attempt: Attempt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)

    with pytest.raises(RequestError, match=r"needs ai_edge_litert.*Run: pip install 'gristmill\[lite\]'"):
        attempt(formats=("lite",))


def test_grey_images_are_told_as_grey() -> None:
    layout = dataset.Layout(5, 6, 1, "raw", "crop", ["no", "yes"], {})

    told = signature(layout, ("lite",))

    assert told["input"]["shape"] == [None, 5, 6, 1]
    assert told["input"]["holds"] == "grey from 0 to 255, resized by crop"
    assert told["output"]["columns"] == ["no", "yes"]

"""Every closed-form kind of image classifier is fitted to one network of pixels, which every format repeats."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.labelled_images import LabelledImages
from gristmill.export.bundle import export_network, load
from gristmill.settings.kinds import kinds, settings_of
from gristmill.training import saved_network
from gristmill.util.table_io import write_document
from helpers.small_base import CUT
from helpers.small_prepared import coloured, spotted, write_prepared

pytest_plugins = ["helpers.small_base"]

PACKAGE = "gristmill.domains.vision.models"
KINDS = [kind for kind in kinds(PACKAGE) if hasattr(settings_of(kind, PACKAGE), "fit")]
FORMATS = ("saved_model", "keras", "lite", "onnx")


def settings(kind: str, weights: str) -> Any:
    small = {"base": "MobileNetV3Small", "weights": weights, "cut": CUT, "side": 40} if kind == "frozen" else {}
    return settings_of(kind, PACKAGE).model_validate({"kind": kind} | small)


def prepared(folder: Path, channels: int) -> Prepared:
    parts = {"train": coloured(60), "validation": coloured(30, seed=1), "test": coloured(30, seed=2)}
    if channels == 1:
        parts = {part: spotted(60, 3, seed=seed) for seed, part in enumerate(parts)}
    return write_prepared(folder, parts, ["a", "b", "c"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_kind_gives_probabilities_of_pixels(kind: str, channels: int, weights: str, tmp_path: Path) -> None:
    data, model = prepared(tmp_path, channels), settings(kind, weights)

    network = model.fit(LabelledImages.of(data, "train"))

    made = network.predict_on_batch(data.pixels("test"))
    assert network.input.dtype == "uint8"
    assert made.shape == (len(data.rows("test")), 3)
    assert made.sum(axis=1) == pytest.approx(1, abs=1e-5)
    right = (made.argmax(axis=1) == data.labels("test")).mean()
    assert right == pytest.approx(1 / 3) if kind == "majority" else right > (0.6 if kind == "frozen" else 0.8)
    assert not network.trainable_variables or kind == "frozen"


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_network_gives_the_same_bits(kind: str, weights: str, tmp_path: Path) -> None:
    data = prepared(tmp_path, 3)
    network = settings(kind, weights).fit(LabelledImages.of(data, "train"))

    saved_network.write(network, tmp_path)

    pixels = data.pixels("test")
    assert np.array_equal(saved_network.read(tmp_path).predict_on_batch(pixels), network.predict_on_batch(pixels))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_what_the_network_gives(kind: str, weights: str, tmp_path: Path) -> None:
    data = prepared(tmp_path, 1 if kind == "frozen" else 3)  # each with the layers of the other, and more
    network = settings(kind, weights).fit(LabelledImages.of(data, "train"))
    pixels = data.pixels("test")
    expected = network.predict_on_batch(pixels)

    export_network(network, FORMATS, tmp_path)
    write_document(tmp_path / "signature.json", {"formats": FORMATS})

    for form in FORMATS:
        assert load(tmp_path, form)(pixels) == pytest.approx(expected, abs=1e-5), form


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_is_repeatable_and_sees_the_chosen_images_alone(kind: str, weights: str, tmp_path: Path) -> None:
    data = prepared(tmp_path / "data", 3)
    model, chosen = settings(kind, weights), np.arange(90) % 4 != 0
    every = LabelledImages.of(data, "train", "validation")
    pixels = np.concatenate([data.pixels("train"), data.pixels("validation")])[chosen]
    alone = write_prepared(tmp_path / "alone", {"train": (pixels, every.labels[chosen].tolist())}, ["a", "b", "c"])

    networks: list[keras.Model] = [model.fit(every.take(chosen)), model.fit(LabelledImages.of(alone, "train"))]

    one, other = (network.predict_on_batch(data.pixels("test")) for network in networks)
    assert one == pytest.approx(other, abs=1e-5)

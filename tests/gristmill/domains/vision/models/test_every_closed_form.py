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


Fitted = tuple[str, Prepared, keras.Model]

TRAIN = coloured(60)


def fit(kind: str, channels: int, weights: str, folder: Path) -> Fitted:
    """Return the kind, images with so many channels, and its network fitted to them."""
    parts = {"train": TRAIN, "test": coloured(30, seed=2)}
    if channels == 1:
        parts = {part: spotted(60, 3, seed=seed) for seed, part in enumerate(parts)}
    data = write_prepared(folder, parts, ["a", "b", "c"])
    return kind, data, settings(kind, weights).fit(LabelledImages.of(data))


@pytest.fixture(scope="module", params=KINDS)
def fitted(request: pytest.FixtureRequest, weights: str, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    """A kind fitted to coloured images; its folder must not be written to."""
    return fit(request.param, 3, weights, tmp_path_factory.mktemp("fitted"))


@pytest.mark.slow
def test_a_kind_gives_probabilities_of_pixels(fitted: Fitted) -> None:
    assert_probabilities_of_pixels(*fitted)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_gives_probabilities_of_grey_pixels(kind: str, weights: str, tmp_path: Path) -> None:
    assert_probabilities_of_pixels(*fit(kind, 1, weights, tmp_path))


def assert_probabilities_of_pixels(kind: str, data: Prepared, network: keras.Model) -> None:
    made = network.predict_on_batch(data.pixels("test"))
    assert network.input.dtype == "uint8"
    assert made.shape == (len(data.rows("test")), 3)
    assert made.sum(axis=1) == pytest.approx(1, abs=1e-5)
    right = (made.argmax(axis=1) == data.labels("test")).mean()
    assert right == pytest.approx(1 / 3) if kind == "majority" else right > (0.6 if kind == "frozen" else 0.8)
    assert not network.trainable_variables or kind == "frozen"


@pytest.mark.slow
def test_a_saved_network_gives_the_same_bits(fitted: Fitted, tmp_path: Path) -> None:
    _, data, network = fitted

    saved_network.write(network, tmp_path)

    pixels = data.pixels("test")
    assert np.array_equal(saved_network.read(tmp_path).predict_on_batch(pixels), network.predict_on_batch(pixels))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_what_the_network_gives(kind: str, weights: str, tmp_path: Path) -> None:
    channels = 1 if kind == "frozen" else 3  # each with the layers of the other, and more
    _, data, network = fit(kind, channels, weights, tmp_path)
    pixels = data.pixels("test")
    expected = network.predict_on_batch(pixels)

    export_network(network, FORMATS, tmp_path)
    write_document(tmp_path / "signature.json", {"formats": FORMATS})

    for form in FORMATS:
        assert load(tmp_path, form)(pixels) == pytest.approx(expected, abs=1e-5), form


@pytest.mark.slow
def test_a_fit_is_repeatable_and_sees_the_chosen_images_alone(fitted: Fitted, weights: str, tmp_path: Path) -> None:
    kind, alone, network = fitted
    chosen, pixels, labels = np.arange(80) % 4 != 0, coloured(80, seed=3)[0], np.zeros(80, int)
    pixels[chosen], labels[chosen] = TRAIN
    parts = {
        part: (pixels[rows], labels[rows].tolist())
        for part, rows in {"train": slice(50), "validation": slice(50, 80)}.items()
    }
    every = LabelledImages.of(write_prepared(tmp_path, parts, ["a", "b", "c"]))

    other = settings(kind, weights).fit(every.take(chosen))

    test = alone.pixels("test")
    assert np.asarray(other(test)) == pytest.approx(network.predict_on_batch(test), abs=1e-5)

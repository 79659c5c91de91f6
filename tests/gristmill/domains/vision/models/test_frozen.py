"""A logistic regression on what a pretrained network makes of an image and its mirror image."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.vision import pretrained
from gristmill.domains.vision.labelled_images import LabelledImages
from gristmill.domains.vision.models import Shape
from gristmill.domains.vision.models.transfer import Frozen
from gristmill.errors import DataError, Diverged, RequestError, Unsuitable, WorkError
from helpers.small_base import CUT, IMAGES, SHAPE
from helpers.small_prepared import coloured, write_prepared

pytest_plugins = ["helpers.small_base"]


def frozen(weights: str, **fields: Any) -> Frozen:
    small = {"kind": "frozen", "base": "MobileNetV3Small", "weights": weights, "cut": CUT, "side": 40}
    return Frozen.model_validate(small | fields)


def expected(images: Any, weights: str, mirror: bool = True) -> list[Any]:
    """Return the features of images, float (images, rows, columns, 3), in the size in which the base sees them."""
    shape = Shape(*images.shape[1:], classes=3)
    network = pretrained.cut(pretrained.load("MobileNetV3Small", weights, shape), CUT)
    directions = (images, images[:, :, ::-1] if mirror else images)
    means = np.mean([np.asarray(network(direction)).mean(axis=(1, 2)) for direction in directions], axis=0)
    rooted = means / np.sqrt(np.abs(means) + 0.01)
    return [row / np.linalg.norm(row) for row in rooted]


@pytest.mark.slow
@pytest.mark.parametrize("mirror", [True, False])
def test_features_are_rooted_means_over_one_or_both_directions_of_length_one(weights: str, mirror: bool) -> None:
    found = np.asarray(frozen(weights, mirror=mirror).featuriser(SHAPE)(IMAGES))

    assert found == pytest.approx(np.array(expected(IMAGES.astype(np.float32), weights, mirror)), abs=1e-5)


@pytest.mark.slow
def test_a_mirrored_image_has_the_same_features(weights: str) -> None:
    network = frozen(weights).featuriser(SHAPE)

    assert np.asarray(network(IMAGES[:, :, ::-1])) == pytest.approx(np.asarray(network(IMAGES)), abs=1e-5)


@pytest.mark.parametrize(("height", "width"), [(10, 12), (80, 96)])
def test_grey_images_are_taken_as_coloured_and_those_of_another_size_are_resized(
    height: int, width: int, weights: str
) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, height, width, 1)).astype(np.uint8)
    seen = np.asarray(keras.layers.Resizing(40, 48)(np.repeat(grey, 3, axis=-1).astype(np.float32)))

    found = np.asarray(frozen(weights).featuriser(Shape(height, width, 1, 3))(grey))

    assert found == pytest.approx(np.array(expected(seen, weights)), abs=1e-5)


@pytest.mark.slow
def test_features_that_were_stored_give_the_same_classifier(weights: str, tmp_path: Path) -> None:
    data = write_prepared(tmp_path, {"train": coloured(30), "test": coloured(12, seed=1)}, ["a", "b", "c"])
    model = frozen(weights)
    np.save(tmp_path / "train.npy", LabelledImages.of(data).features(model.featuriser(data.layout.shape)))

    computed, stored = (
        np.asarray(model.fit(LabelledImages.of(replace(data, features=folder)))(data.pixels("test")))
        for folder in (None, tmp_path)
    )

    assert stored == pytest.approx(computed, abs=1e-5)


def test_weights_that_cannot_be_fetched_are_an_error_of_the_run_which_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def load(*arguments: Any) -> None:
        raise WorkError("model.weights: those of MobileNet for ImageNet cannot be fetched (no network). Try again.")

    monkeypatch.setattr(pretrained, "load", load)

    with pytest.raises(WorkError, match="those of MobileNet for ImageNet cannot be fetched") as raised:
        Frozen(kind="frozen", base="MobileNet").featuriser(SHAPE)
    assert not isinstance(raised.value, (DataError, Diverged, RequestError, Unsuitable))  # a candidate's own failure


def test_an_unknown_layer_is_refused(weights: str) -> None:
    with pytest.raises(RequestError, match=r"model\.cut: .* has no layer 'nowhere'"):
        frozen(weights, cut="nowhere").featuriser(SHAPE)

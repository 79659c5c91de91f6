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


@pytest.mark.slow
@pytest.mark.parametrize("mirror", [True, False])
def test_features_are_rooted_means_over_one_or_both_directions_of_length_one(weights: str, mirror: bool) -> None:
    images = IMAGES.astype(np.float32)
    found = np.asarray(frozen(weights, mirror=mirror).featuriser(SHAPE)(images))

    network = pretrained.cut(pretrained.load("MobileNetV3Small", weights, SHAPE), CUT)
    directions = (images, images[:, :, ::-1] if mirror else images)
    means = np.mean([np.asarray(network(direction)).mean(axis=(1, 2)) for direction in directions], axis=0)
    for mean, features in zip(means, found, strict=True):
        rooted = mean / np.sqrt(np.abs(mean) + 0.01)
        assert features == pytest.approx(rooted / np.linalg.norm(rooted), abs=1e-5)


@pytest.mark.slow
def test_a_mirrored_image_has_the_same_features(weights: str) -> None:
    network = frozen(weights).featuriser(SHAPE)
    images = IMAGES.astype(np.float32)

    assert np.asarray(network(images[:, :, ::-1])) == pytest.approx(np.asarray(network(images)), abs=1e-5)


def test_small_and_grey_images_are_enlarged_and_taken_as_coloured(weights: str) -> None:
    network = frozen(weights).featuriser(Shape(10, 12, 1, 3))
    grey = np.random.default_rng(0).uniform(0, 255, (2, 10, 12, 1)).astype(np.float32)

    large = keras.layers.Resizing(40, 48)(np.repeat(grey, 3, axis=-1))
    coloured = frozen(weights).featuriser(Shape(40, 48, 3, 3))

    assert np.asarray(network(grey)) == pytest.approx(np.asarray(coloured(large)), abs=1e-5)


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

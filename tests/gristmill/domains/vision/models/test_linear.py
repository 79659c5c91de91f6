"""Linear classifiers of fixed features, and the frequencies of the classes."""

from pathlib import Path

import keras
import numpy as np
import pytest

from gristmill.domains.common.classification.labelled import TOGETHER
from gristmill.domains.common.sampling import sample_positions
from gristmill.domains.vision import linear_classifier
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.labelled_images import LabelledImages
from gristmill.domains.vision.models.linear import Histograms, LinearPixels, Majority
from gristmill.errors import Unsuitable
from helpers.small_prepared import coloured, spotted, write_prepared


def share_right(network: keras.Model, data: Prepared) -> float:
    """Return the share of test images whose class a network finds."""
    return float((np.asarray(network(data.pixels("test"))).argmax(axis=1) == data.labels("test")).mean())


def test_the_majority_class_gives_the_frequencies_of_the_training_set(tmp_path: Path) -> None:
    pixels, _ = spotted(20, 2)
    data = write_prepared(tmp_path, {"train": (pixels, [0] * 15 + [2] * 5), "test": spotted(8)}, ["a", "b", "c"])

    network = Majority(kind="majority").fit(LabelledImages.of(data))

    assert network.predict_on_batch(data.pixels("test")) == pytest.approx(np.tile([0.75, 0, 0.25], (8, 1)))


def test_the_mean_colours_tell_bright_rows_apart(tmp_path: Path) -> None:
    data = write_prepared(tmp_path, {"train": spotted(80, 4), "test": spotted(40, 4, seed=1)}, list("abcd"))

    right = [
        share_right(LinearPixels(kind="linear_pixels", side=side).fit(LabelledImages.of(data)), data) for side in (1, 8)
    ]

    assert right[0] < 0.6
    assert right[1] > 0.95


def test_balanced_classes_raise_the_chance_of_the_rare_one(tmp_path: Path) -> None:
    pixels, _ = spotted(40, 1)
    labels = [int(number % 10 == 1) for number in range(40)]
    data = write_prepared(tmp_path, {"train": (pixels, labels), "test": spotted(8, 1, seed=1)}, ["a", "b"])
    plain, balanced = (LabelledImages.of(data, balanced=one) for one in (False, True))
    model = LinearPixels(kind="linear_pixels", side=1)

    chances = [model.fit(one).predict_on_batch(data.pixels("test"))[:, 1].mean() for one in (plain, balanced)]

    assert chances[0] < 0.2
    assert chances[1] == pytest.approx(0.5, abs=0.15)
    with pytest.raises(Unsuitable, match=r"train\.class_weights"):
        Majority(kind="majority").fit(balanced)


@pytest.mark.slow
def test_gradients_do_not_see_colours(tmp_path: Path) -> None:
    parts = {"train": coloured(60), "test": coloured(30, seed=1)}
    data = write_prepared(tmp_path, parts, ["a", "b", "c"])
    right = {}
    for of in ("gradients", "colours"):
        network = Histograms(kind="histograms", features=of).fit(LabelledImages.of(data))
        right[of] = share_right(network, data)

    assert right["colours"] > 0.9
    assert right["gradients"] < 0.6


def test_the_penalty_is_chosen_on_images_of_other_groups(tmp_path: Path) -> None:
    """Copies of noise tell nothing about other noise."""
    random = np.random.default_rng(0)
    scenes = random.integers(0, 256, (90, 8, 8, 1), np.uint8)
    labels = np.arange(90) % 2
    train = (scenes[:60].repeat(8, axis=0), labels[:60].repeat(8).tolist())
    data = write_prepared(tmp_path, {"train": train, "test": (scenes[60:], labels[60:].tolist())}, ["a", "b"])
    data.index[TOGETHER] = [*np.arange(60).repeat(8), *range(60, 90)]

    network = LinearPixels(kind="linear_pixels").fit(LabelledImages.of(data))

    assert network.predict_on_batch(data.pixels("test"))[:, 0] == pytest.approx(0.5, abs=0.2)


def test_of_very_many_images_a_random_sample_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = write_prepared(tmp_path / "all", {"train": spotted(60, 3)}, ["a", "b", "c"])
    chosen = sample_positions(60, 45, data.labels("train"))
    pixels = data.pixels("train")[chosen]
    some = write_prepared(tmp_path / "some", {"train": (pixels, data.labels("train")[chosen].tolist())}, list("abc"))
    model = LinearPixels(kind="linear_pixels", side=2)
    expected = model.fit(LabelledImages.of(some)).predict_on_batch(pixels)

    monkeypatch.setattr(linear_classifier, "_MAX_NUMBERS", 180)  # 45 images of 4 features

    found = model.fit(LabelledImages.of(data)).predict_on_batch(pixels)
    assert found == pytest.approx(expected, abs=1e-6)

"""The yardsticks see little, and are fitted on the training set alone."""

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from gristmill.domains.vision import baselines, dataset
from gristmill.domains.vision.baselines import Linear, predictions_of, shrunk
from gristmill.domains.vision.dataset import Layout
from helpers.small_judged import Folders, write_pictures

pytest_plugins = ["helpers.small_judged"]


def test_the_majority_class_gives_the_frequencies_of_the_training_part(judged: Folders) -> None:
    data = dataset.read(judged["preprocess"])

    made = predictions_of(data, ["validation", "test"], 4)

    assert list(made) == ["validation", "test"]
    assert list(made["test"]) == ["majority class", "linear on 4x4 pixels"]
    labels = data.labels("train").tolist()
    for row in made["test"]["majority class"]:
        assert row.tolist() == [labels.count(label) / len(labels) for label in range(3)]
    assert {name: values.shape for name, values in made["test"].items()} == dict.fromkeys(made["test"], (40, 3))
    assert made["validation"]["majority class"].shape == (20, 3)


def test_linear_on_few_pixels_tells_pictures_apart_that_it_was_not_fitted_on(judged: Folders) -> None:
    data = dataset.read(judged["preprocess"])

    made = predictions_of(data, ["test"], 12)["test"]["linear on 12x12 pixels"]

    assert (made.argmax(axis=1) == data.labels("test")).mean() > 0.9
    assert made.sum(axis=1) == pytest.approx(1)


def test_a_shrunk_image_holds_the_mean_of_each_area(tmp_path: Path) -> None:
    layout = Layout(16, 24, 3, "raw", "stretch", ["a", "b", "c"], {})
    data = write_pictures(tmp_path, layout, {"train": 5})

    small = shrunk(data, "train", 8).reshape(5, 8, 8, 3)

    for image, pixels in zip(small, data.pixels("train"), strict=True):
        for row in range(8):
            for column in range(8):
                area = pixels[2 * row : 2 * row + 2, 3 * column : 3 * column + 3].astype(float)
                assert image[row, column] == pytest.approx(area.mean(axis=(0, 1)), rel=1e-5)


def test_the_gradient_is_that_of_the_loss() -> None:
    random = np.random.default_rng(0)
    given, wanted = random.normal(size=(7, 4)), np.eye(3)[random.integers(0, 3, 7)]
    weights = random.normal(size=12)

    slopes = approx_fprime(weights, lambda flat: baselines._loss(flat, given, wanted)[0])

    assert baselines._loss(weights, given, wanted)[1] == pytest.approx(slopes, abs=1e-5)


def test_two_values_of_one_feature_get_the_frequencies_of_their_labels() -> None:
    features = np.repeat(np.array([[0.0], [1.0]], np.float32), 100, axis=0)
    labels = np.array([0] * 75 + [1] * 25 + [0] * 40 + [1] * 60)

    made = Linear(features, labels, 2).probabilities(np.array([[0.0], [1.0]], np.float32))

    assert made[:, 1] == pytest.approx([0.25, 0.60], abs=1e-2)


def test_a_pixel_that_never_changes_does_no_harm() -> None:
    features = np.array([[5.0, 0.0], [5.0, 1.0]] * 10, np.float32)

    made = Linear(features, np.array([0, 1] * 10), 2).probabilities(features[:2])

    assert np.isfinite(made).all()
    assert made.argmax(axis=1).tolist() == [0, 1]


def test_of_very_many_images_some_are_taken_from_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_FITTED", 4)
    features = np.zeros((10, 1), np.float32)
    labels = np.array([0, 1, 1, 0, 1, 1, 1, 1, 1, 0])  # each third one: 0, 0, 1, 0

    made = Linear(features, labels, 2).probabilities(features[:1])

    assert made[0] == pytest.approx([0.75, 0.25], abs=1e-3)

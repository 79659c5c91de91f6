"""The images of some parts, or some of them, in the order of the index."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.labelled_images import LabelledImages
from helpers.small_prepared import spotted, write_prepared


@pytest.fixture
def data(tmp_path: Path) -> Prepared:
    return write_prepared(tmp_path, {"train": spotted(70), "validation": spotted(6, seed=1)}, ["a", "b"])


def test_all_images_of_the_parts_come_one_after_the_other(data: Prepared) -> None:
    images = LabelledImages.of(data)

    assert len(images) == 76
    assert np.array_equal(
        np.concatenate([*images.batches()]), np.concatenate([data.pixels("train"), data.pixels("validation")])
    )
    assert images.labels.tolist() == [*data.labels("train"), *data.labels("validation")]


def test_some_of_some_images_keep_their_order(data: Prepared) -> None:
    images = LabelledImages.of(data)
    rows = np.arange(76)

    some = images.take(rows % 2 == 1).take(np.arange(38) % 3 == 0)

    kept = rows[rows % 2 == 1][::3]
    every = np.concatenate([data.pixels("train"), data.pixels("validation")])
    assert np.array_equal(np.concatenate([*some.batches()]), every[kept])
    assert some.labels.tolist() == images.labels[kept].tolist()


def test_features_are_computed_or_read_from_the_folder_of_a_base(data: Prepared, tmp_path: Path) -> None:
    image = keras.Input((8, 8, 1))
    network = keras.Model(image, keras.layers.Flatten()(image))
    for at, (part, images) in enumerate((("train", 70), ("validation", 6))):
        np.save(tmp_path / f"{part}.npy", np.full((images, 3), at, np.float32))
    chosen = np.arange(76) >= 69

    computed = LabelledImages.of(data).take(chosen)
    stored = LabelledImages.of(replace(data, features=tmp_path)).take(chosen)

    assert np.array_equal(computed.features(network)[0], data.pixels("train")[-1].ravel())
    assert stored.features(network).tolist() == [[0] * 3, *[[1] * 3] * 6]

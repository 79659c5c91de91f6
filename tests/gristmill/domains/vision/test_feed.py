"""What a classifier is fed, from memory and from the shards alike: every image once an epoch."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.vision import train as module
from gristmill.domains.vision.dataset import Prepared, write_layout
from gristmill.domains.vision.settings import Augment
from gristmill.domains.vision.train import StreamFeed, feed_of, validation_of
from gristmill.util.table_io import write_table
from helpers.feeds import batches_of, batches_within_a_graph
from helpers.small_prepared import spotted, write_prepared

TRAIN, VALIDATION = spotted(23, 3), spotted(9, 3, seed=1)


@pytest.fixture
def data(tmp_path: Path) -> Prepared:
    return write_prepared(tmp_path, {"train": TRAIN, "validation": VALIDATION}, ["a", "b", "c"], shards=3)


@pytest.fixture(params=["memory", "stream"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have the images fit into memory, or not."""
    if request.param == "stream":
        monkeypatch.setattr(module, "MAX_BYTES_IN_MEMORY", 0)
    return str(request.param)


def epoch(data: Prepared, number: int = 0, augment: Augment | None = None, **settings: Any) -> list[Any]:
    """Return the batches of an epoch: pixels and labels."""
    train = Train(**{"batch_size": 5, "epochs": 3, "seed": 1} | settings)
    feed = feed_of(data, Targets(data, train), augment or Augment(), train)
    return batches_of(feed, number)


def seen(batches: list[Any]) -> list[tuple[bytes, int]]:
    """Return each image with its label, in the order of the batches."""
    return [
        (image.astype(np.uint8).tobytes(), int(label))
        for pixels, labels in batches
        for image, label in zip(pixels, labels, strict=True)
    ]


def test_an_epoch_holds_every_image_once_with_its_label(data: Prepared, how: str) -> None:
    batches = epoch(data)

    assert [len(labels) for _, labels in batches] == [5, 5, 5, 5, 3]
    assert sorted(seen(batches)) == sorted((image.tobytes(), label) for image, label in zip(*TRAIN, strict=True))
    assert all(pixels.dtype == np.float32 for pixels, _ in batches)


@pytest.mark.slow
def test_each_epoch_has_its_own_order_whether_or_not_training_went_on_from_it(data: Prepared, how: str) -> None:
    first, second = seen(epoch(data, 0)), seen(epoch(data, 1))

    assert first != second
    assert seen(epoch(data, 1)) == second
    assert seen(epoch(data, 0, seed=2)) != first


def test_a_shorter_epoch_has_as_many_updates_as_asked_for(data: Prepared, how: str) -> None:
    assert [len(labels) for _, labels in epoch(data, steps_per_epoch=2)] == [5, 5]


@pytest.mark.slow
def test_training_images_are_changed_anew_in_every_epoch_by_the_seed(data: Prepared, how: str) -> None:
    wild = Augment(brightness=0.2)

    plain, first, again = epoch(data), epoch(data, augment=wild), epoch(data, augment=wild)

    assert np.array_equal(first[0][1], plain[0][1])  # the labels
    assert not np.array_equal(first[0][0], plain[0][0])
    assert np.array_equal(first[0][0], again[0][0])
    assert seen(epoch(data, 1, augment=wild)) != seen(first)


def test_validation_is_never_changed(data: Prepared, how: str) -> None:
    validation = validation_of(data, Targets(data, Train()))

    assert validation is not None
    found = [image for pixels, _ in validation.as_numpy_iterator() for image in pixels.astype(np.uint8)]
    assert np.array_equal(np.stack(found), VALIDATION[0])


def test_without_a_validation_part_there_is_none(tmp_path: Path) -> None:
    data = write_prepared(tmp_path, {"train": TRAIN}, ["a", "b", "c"])

    assert validation_of(data, Targets(data, Train())) is None


@pytest.mark.slow
def test_a_stream_gives_the_batches_of_a_range_test(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES_IN_MEMORY", 0)
    train = Train(batch_size=5, seed=1)
    feed = feed_of(data, Targets(data, train), Augment(), train)

    assert isinstance(feed, StreamFeed)
    (first, *_), (same, *_) = feed.batches().as_numpy_iterator(), feed.stream(0).as_numpy_iterator()
    assert np.array_equal(first[0], same[0])
    assert isinstance(first, tuple)
    assert tf.is_tensor(next(iter(feed.batches()))[0])


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """A folder of features: of each image its position in its part, and that negated."""
    folder = tmp_path / "features"
    folder.mkdir()
    for part, (_, labels) in {"train": TRAIN, "validation": VALIDATION}.items():
        positions = np.arange(len(labels), dtype=np.float32)
        np.save(folder / f"{part}.npy", np.stack([positions, -positions], axis=1))
    return folder


def test_an_epoch_on_features_holds_those_of_each_image_once_with_its_label(data: Prepared, features: Path) -> None:
    train = Train(batch_size=5, epochs=2, seed=1)
    feed = feed_of(replace(data, features=features), Targets(data, train), Augment(), train)

    batches = batches_of(feed)
    found = [(row.tolist(), int(label)) for rows, labels in batches for row, label in zip(rows, labels, strict=True)]
    assert [len(labels) for _, labels in batches] == [5, 5, 5, 5, 3]
    assert sorted(found) == [([at, -at], label) for at, label in enumerate(TRAIN[1])]
    assert next(iter(feed.batches()))[0].shape == (5, 2)
    assert np.array_equal(batches_within_a_graph(feed), np.concatenate([rows for rows, _ in batches]))


def test_features_come_in_the_order_in_which_their_images_would(data: Prepared, features: Path) -> None:
    train = Train(batch_size=5, epochs=2, seed=1)

    on_features = batches_of(feed_of(replace(data, features=features), Targets(data, train), Augment(), train), 1)

    assert [labels.tolist() for _, labels in on_features] == [labels.tolist() for _, labels in epoch(data, 1)]
    found = [TRAIN[0][int(row[0])].tobytes() for rows, _ in on_features for row in rows]
    assert found == [image for image, _ in seen(epoch(data, 1))]


def test_validation_on_features_is_in_order(data: Prepared, features: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_VALIDATION_BATCH", 4)

    validation = validation_of(replace(data, features=features), Targets(data, Train()))

    assert validation is not None
    rows, labels = (np.concatenate(column) for column in zip(*validation.as_numpy_iterator(), strict=True))
    assert rows[:, 0].tolist() == list(range(9))
    assert labels.tolist() == VALIDATION[1]
    assert validation.cardinality() == 3


STREAM = """
import resource, sys
from pathlib import Path
from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.vision import dataset
from gristmill.domains.vision.train import StreamFeed, feed_of
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.vision.settings import Augment

settings = Train()
data = dataset.read(Path(sys.argv[1]))
feed = feed_of(data, Targets(data, settings), Augment(), settings)
assert isinstance(feed, StreamFeed)
next(iter(feed.batches()))  # what TensorFlow takes for itself
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
images = sum(len(labels) for _, labels in feed.batches())
print(images, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ru_maxrss is not counted in KiB")
def test_more_images_than_are_held_are_never_all_in_memory(tmp_path: Path) -> None:
    pixels, labels = np.zeros((1000, 160, 160, 3), np.uint8), [0, 1] * 500
    data = write_prepared(tmp_path, {"train": (pixels, labels)}, ["a", "b"], shards=1)
    for number in range(1, 20):  # the one shard under many names: 1.5 GB of pixels, of which the disk holds a twentieth
        os.link(data.shards("train")[0], tmp_path / f"train-{number:05}-of-00020.tfrecord")
    counts = {"train": 20_000, "validation": 0, "test": 0}
    write_layout(replace(data.layout, counts=counts), tmp_path)
    write_table(tmp_path / "index.parquet", pd.concat([data.index] * 20, ignore_index=True))
    size = 20_000 * data.layout.bytes_per_image

    told = subprocess.run([sys.executable, "-c", STREAM, str(tmp_path)], capture_output=True, text=True, check=True)
    images, grown = map(int, told.stdout.split())

    assert size > module.MAX_BYTES_IN_MEMORY
    assert images == 20_000
    assert grown * 1024 < size / 3

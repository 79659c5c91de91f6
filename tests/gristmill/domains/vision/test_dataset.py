"""Prepared images are read back in the order of their index, raw or as JPEG."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from gristmill.domains.vision import dataset, shards
from gristmill.domains.vision.dataset import Layout, Prepared
from gristmill.util.table_io import write_table
from helpers.given_photos import noise

COUNTS = {"train": 11, "validation": 0, "test": 3}
LABELS = [0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1, 0]


def pixels_of(part: str, channels: int) -> list[Image.Image]:
    return [noise(6, 9, seed=at + 100 * (part == "test"), channels=channels) for at in range(COUNTS[part])]


def written(folder: Path, encoding: str, channels: int) -> Prepared:
    """Write parts of noise, train in two shards."""
    for part in ("train", "test"):
        labels = LABELS[:11] if part == "train" else LABELS[11:]
        records = []
        for image, label in zip(pixels_of(part, channels), labels, strict=True):
            target = io.BytesIO()
            image.save(target, "JPEG", quality=95)
            records.append(
                shards.serialise(image=target.getvalue() if encoding == "jpeg" else image.tobytes(), label=label)
            )
        for number, chunk in enumerate([records[:4], records[4:]] if part == "train" else [records]):
            shards.write_shard(folder / f"{part}-{number:05d}-of-{2 if part == 'train' else 1:05d}.tfrecord", chunk)
    dataset.write_layout(Layout(6, 9, channels, encoding, "stretch", ["a", "b"], COUNTS), folder)
    parts = ["train"] * 11 + ["test"] * 3
    write_table(folder / "index.parquet", pd.DataFrame({"id": map(str, range(14)), "label": LABELS, "part": parts}))
    return dataset.read(folder)


@pytest.mark.parametrize("channels", [1, 3])
def test_raw_pixels_are_read_back(tmp_path: Path, channels: int) -> None:
    data = written(tmp_path, "raw", channels)

    for part in ("train", "test"):
        expected = np.stack([np.asarray(image).reshape(6, 9, channels) for image in pixels_of(part, channels)])
        assert np.array_equal(data.pixels(part), expected)
    assert data.layout.bytes_per_image == 6 * 9 * channels


@pytest.mark.parametrize("channels", [1, 3])
def test_jpegs_are_read_as_pillow_reads_them(tmp_path: Path, channels: int) -> None:
    data = written(tmp_path, "jpeg", channels)

    for image, made in zip(pixels_of("train", channels), data.pixels("train"), strict=True):
        target = io.BytesIO()
        image.save(target, "JPEG", quality=95)
        assert np.abs(np.asarray(Image.open(target)).reshape(made.shape).astype(int) - made).max() <= 1


@pytest.mark.parametrize("batch", [1, 4, 5, 100])
def test_batches_are_in_the_order_of_the_index(tmp_path: Path, batch: int) -> None:
    data = written(tmp_path, "raw", 3)

    batches = list(data.dataset("train", batch).as_numpy_iterator())

    assert int(data.dataset("train", batch).cardinality()) == len(batches)
    assert [len(labels) for _, labels in batches] == [batch] * (11 // batch) + [11 % batch] * (11 % batch > 0)
    assert np.concatenate([labels for _, labels in batches]).tolist() == data.labels("train").tolist() == LABELS[:11]
    assert np.array_equal(np.concatenate([pixels for pixels, _ in batches]), data.pixels("train"))


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_shapes_are_known_to_tensorflow(tmp_path: Path, encoding: str) -> None:
    data = written(tmp_path, encoding, 3)

    assert data.dataset("test").element_spec == (
        tf.TensorSpec((None, 6, 9, 3), tf.uint8),
        tf.TensorSpec((None,), tf.int64),
    )


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_an_empty_part_is_read_as_nothing(tmp_path: Path, encoding: str) -> None:
    data = written(tmp_path, encoding, 3)

    assert data.shards("validation") == []
    assert list(data.dataset("validation")) == []
    assert data.pixels("validation").shape == (0, 6, 9, 3)
    assert data.labels("validation").tolist() == []


def test_rows_of_a_part_are_numbered_from_0(tmp_path: Path) -> None:
    rows = written(tmp_path, "raw", 3).rows("test")

    assert rows.index.tolist() == [0, 1, 2]
    assert rows["id"].tolist() == ["11", "12", "13"]

"""Images ready for training, made up: prepared folders that hold what they are given."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.vision import dataset
from gristmill.domains.vision.dataset import Layout, Prepared
from gristmill.util.table_io import write_table

Part = tuple[npt.NDArray[np.uint8], Sequence[int]]  # pixels (images, height, width, channels), and labels


def write_prepared(folder: Path, parts: Mapping[str, Part], classes: Sequence[str], shards: int = 2) -> Prepared:
    """Write images as `preprocess` does, raw, each part in so many shards, and return them."""
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    index = []
    for part, (pixels, labels) in parts.items():
        for number, (begin, end) in enumerate(pairwise(dataset.shard_edges(len(pixels), shards))):
            path = folder / f"{part}-{number:05}-of-{shards:05}.tfrecord"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for row in range(begin, end):
                    writer.write(_example(pixels[row], labels[row]))
        index += [{"id": f"{part} {row}", "label": label, "part": part} for row, label in enumerate(labels)]
    height, width, channels = next(iter(parts.values()))[0].shape[1:]
    counts = {part: len(parts[part][1]) if part in parts else 0 for part in PARTS}
    dataset.write_layout(Layout(height, width, channels, "raw", "stretch", list(classes), counts), folder)
    write_table(folder / "index.parquet", pd.DataFrame(index))
    return dataset.read(folder)


def spotted(images: int, classes: int = 2, side: int = 8, seed: int = 0) -> Part:
    """Return dark noise with a bright spot that lies in another row for each class."""
    random = np.random.default_rng(seed)
    labels = (np.arange(images) % classes).tolist()
    pixels = random.integers(0, 60, (images, side, side, 1), np.uint8)
    for row, label in enumerate(labels):
        pixels[row, 2 * label : 2 * label + 2, random.integers(0, side - 2) :][:, :2] = 250
    return pixels, labels


def coloured(images: int, seed: int = 0) -> Part:
    """Return squares of 8 x 8 pixels in any colour, 48 x 40 an image, with more of one colour in each of 3 classes."""
    random = np.random.default_rng(seed)
    labels = (np.arange(images) % 3).tolist()
    squares = random.integers(0, 160, (images, 6, 5, 3), np.uint8)
    for row, label in enumerate(labels):
        squares[row, ..., label] += 90
    return squares.repeat(8, axis=1).repeat(8, axis=2), labels


def _example(pixels: Any, label: int) -> bytes:
    import tensorflow as tf

    features = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[pixels.tobytes()])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    serialised: bytes = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
    return serialised

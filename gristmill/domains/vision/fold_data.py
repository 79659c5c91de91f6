"""Some images of training and validation set, as a folder that train can read."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from gristmill.domains.common.classification.held_out import learning_rows
from gristmill.domains.common.folds import Positions, Split
from gristmill.domains.vision import dataset, shards
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.labelled_images import LabelledImages
from gristmill.util.table_io import write_table

_PARTS = ("train", "validation")


def write_split(data: Prepared, split: Split, folder: Path, features: Path) -> Prepared:
    """Write the images of a split, without a test set, and their features if they are used, to two folders."""
    parts = dict(zip(_PARTS, (split.fit, split.predict), strict=True))
    rows, images = learning_rows(data), LabelledImages.of(data, *_PARTS)
    for part, positions in parts.items():
        shards.write_shard(folder / f"{part}-00000-of-00001.tfrecord", records(data, positions))
        if data.features and len(positions):
            np.save(features / f"{part}.npy", images.take(positions).stored_features(), allow_pickle=False)
    index = [rows.iloc[positions].assign(part=part) for part, positions in parts.items()]
    write_table(folder / "index.parquet", pd.concat(index, ignore_index=True))
    counts = {part: len(positions) for part, positions in parts.items()}
    dataset.write_layout(replace(data.layout, counts=counts | {"test": 0}), folder)
    return dataset.read(folder, features if data.features else None)


def records(data: Prepared, positions: Positions) -> Iterator[bytes]:
    """Yield the serialised examples of training, then validation set, at ascending positions."""
    wanted = set(positions.tolist())
    files = [str(path) for part in _PARTS for path in data.shards(part)]
    every = tf.data.TFRecordDataset(files).take(max(wanted, default=-1) + 1)
    yield from (record for at, record in enumerate(every.as_numpy_iterator()) if at in wanted)

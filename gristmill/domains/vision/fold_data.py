"""The images of training and validation set, split into these two anew, as a folder that train can read."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from gristmill.domains.common.classification.held_out import Positions, Split, learning_rows
from gristmill.domains.vision import dataset, shards
from gristmill.domains.vision.dataset import Prepared
from gristmill.util.table_io import write_table

FEATURES = "features"  # folder of the features of a frozen base, next to the images

_PARTS = ("train", "validation")


def write_split(data: Prepared, split: Split, folder: Path, features: Path | None = None) -> Prepared:
    """Write the images of a split, and the features of a frozen base if there are any, and return the images."""
    (folder / FEATURES).mkdir(parents=True, exist_ok=True)
    rows, index = learning_rows(data), []
    stored = _stored(data, features) if features else None
    for part, positions in zip(_PARTS, (split.fit, split.predict), strict=True):
        shards.write_shard(folder / f"{part}-00000-of-00001.tfrecord", _records(data, positions))
        index.append(rows.iloc[positions].assign(part=part))
        if stored is not None:
            np.save(folder / FEATURES / f"{part}.npy", stored[positions], allow_pickle=False)
    write_table(folder / "index.parquet", pd.concat(index, ignore_index=True))
    counts = {"train": len(split.fit), "validation": len(split.predict), "test": 0}
    dataset.write_layout(replace(data.layout, counts=counts), folder)
    return dataset.read(folder)


def _records(data: Prepared, positions: Positions) -> Iterator[bytes]:
    """Yield the serialised examples of training, then validation set, at ascending positions."""
    wanted = set(positions.tolist())
    files = [str(path) for part in _PARTS for path in data.shards(part)]
    for at, record in enumerate(tf.data.TFRecordDataset(files).as_numpy_iterator()):
        if at in wanted:
            yield record


def _stored(data: Prepared, features: Path) -> dataset.Pixels:
    files = [features / f"{part}.npy" for part in _PARTS if len(data.rows(part))]
    return np.concatenate([np.load(file, allow_pickle=False) for file in files])

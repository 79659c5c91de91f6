"""A few prepared training images, for `gristmill check`."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.few_examples import choose_examples
from gristmill.domains.common.few_examples import Folders, Positions
from gristmill.domains.vision import dataset, shards
from gristmill.domains.vision.dataset import Prepared
from gristmill.util.table_io import write_table


def cut(folders: Folders, out: Folders, most: int | None = None) -> None:
    """Write `most` images of all classes, and their features if train reads them, to folders that train can read.

    If `most` is None, write few enough for any network to memorise.
    """
    data, made = dataset.read(folders["preprocess"]), out["preprocess"]
    chosen = choose_examples(data, most, lambda at: [*map(shards.image_of, _records(data, at))])
    write_table(made / "index.parquet", data.rows("train").iloc[chosen])
    shards.write_shard(made / "train-00000-of-00001.tfrecord", _records(data, chosen))
    counts = {"train": len(chosen), "validation": 0, "test": 0}
    dataset.write_layout(replace(data.layout, counts=counts), made)
    if "features" in folders:
        features = np.load(folders["features"] / "train.npy", mmap_mode="r", allow_pickle=False)
        np.save(out["features"] / "train.npy", features[chosen], allow_pickle=False)


def _records(data: Prepared, chosen: Positions) -> Iterator[bytes]:
    """Yield the serialised examples of the training set at ascending positions."""
    wanted = set(chosen.tolist())
    records = tf.data.TFRecordDataset([str(path) for path in data.shards("train")]).take(int(chosen[-1]) + 1)
    yield from (record for at, record in enumerate(records.as_numpy_iterator()) if at in wanted)

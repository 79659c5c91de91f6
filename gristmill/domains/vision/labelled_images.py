"""Images of training and validation set, or some of them, such as a fold; also as a folder that train can read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.duplicates import Groups
from gristmill.domains.common.classification.held_out import learning_rows
from gristmill.domains.common.classification.labelled import TOGETHER, Labels, Weights, balanced_weights
from gristmill.domains.common.folds import Positions, Split
from gristmill.domains.vision import dataset, shards
from gristmill.domains.vision.dataset import Features, Layout, Pixels, Prepared
from gristmill.training.deadline import check_deadlines
from gristmill.util.table_io import write_table

if TYPE_CHECKING:
    import keras

_PARTS = ("train", "validation")
_BATCH = 64  # images; their gradients by direction take a few hundred megabytes


@dataclass(frozen=True)
class LabelledImages:
    """The chosen images of training and validation set, in the order of the index."""

    data: Prepared
    positions: Positions  # of these images among those of training, then validation set, ascending
    balanced: bool = False  # whether images are weighted so that all classes count equally
    _built: "list[keras.Model]" = field(default_factory=list)  # the featuriser, shared with subsets of these images

    @classmethod
    def of(cls, data: Prepared, balanced: bool = False) -> "LabelledImages":
        """Return all images of training and validation set."""
        return cls(data, np.arange(len(learning_rows(data))), balanced)

    def take(self, positions: Positions) -> "LabelledImages":
        """Return some of these images, by their ascending positions."""
        return replace(self, positions=self.positions[positions])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.positions)

    @property
    def layout(self) -> Layout:
        """Size and classes of the images."""
        return self.data.layout

    @property
    def labels(self) -> Labels:
        """Labels of the images, (images,)."""
        return self._column("label")

    @property
    def groups(self) -> Groups | None:
        """Groups of images that stay in one fold, (images,), if there are any."""
        return self._column(TOGETHER) if TOGETHER in self.data.index else None

    @property
    def weights(self) -> Weights | None:
        """The weights of the images, (images,), if classes are balanced."""
        return balanced_weights(self.labels, len(self.layout.classes))[self.labels] if self.balanced else None

    def featuriser(self, build: "Callable[[], keras.Model]") -> "keras.Model":
        """Return what `build` returns, which is built once for these images and all subsets of them."""
        if not self._built:
            self._built.append(build())
        return self._built[0]

    def batches(self) -> Iterator[Pixels]:
        """Yield the pixels of the images, (batch, height, width, channels)."""
        begin = 0
        for part in _PARTS:
            for pixels, _ in self.data.dataset(part, _BATCH).as_numpy_iterator():
                check_deadlines()
                chosen = self._between(begin, begin + len(pixels))
                begin += len(pixels)
                if len(chosen):
                    yield pixels[chosen]

    def features(self, featuriser: "keras.Model") -> Features:
        """Return what a network makes of the pixels, or the stored features of a frozen base: (images, features)."""
        if self.data.features:
            return self.stored_features()
        return np.concatenate([featuriser.predict_on_batch(pixels) for pixels in self.batches()])

    def stored_features(self) -> Features:
        """Return the stored features of a frozen base, (images, features)."""
        begin = 0
        features = []
        for part in _PARTS:
            end = begin + len(self.data.rows(part))
            if len(chosen := self._between(begin, end)):
                features.append(self.data.stored_features(part)[chosen])
            begin = end
        return np.concatenate(features)

    def _column(self, name: str) -> Labels:
        """Return a column of numbers of the index, (images,)."""
        return np.asarray(learning_rows(self.data)[name].to_numpy(np.int64)[self.positions])

    def _between(self, begin: int, end: int) -> Positions:
        """Return which of the images from `begin` up to `end` are chosen, counted from `begin`."""
        first, last = np.searchsorted(self.positions, (begin, end))
        return self.positions[first:last] - begin


def write_split(data: Prepared, split: Split, folder: Path, features: Path) -> Prepared:
    """Write the images of a split, without a test set, and their features if they are used, to two folders."""
    rows = learning_rows(data)
    images = LabelledImages.of(data)
    parts = {"train": split.fit, "validation": split.predict}
    for part, positions in parts.items():
        shards.write_shard(folder / f"{part}-00000-of-00001.tfrecord", read_examples(data, positions))
        if data.features and len(positions):
            np.save(features / f"{part}.npy", images.take(positions).stored_features(), allow_pickle=False)
    index = [rows.iloc[positions].assign(part=part) for part, positions in parts.items()]
    write_table(folder / "index.parquet", pd.concat(index, ignore_index=True))
    counts = {part: len(positions) for part, positions in parts.items()}
    dataset.write_layout(replace(data.layout, counts=counts | {"test": 0}), folder)
    return dataset.read(folder, features if data.features else None)


def read_examples(data: Prepared, positions: Positions) -> Iterator[bytes]:
    """Yield the serialised examples of training, then validation set, at ascending positions."""
    import tensorflow as tf

    wanted = set(positions.tolist())
    files = [str(path) for part in _PARTS for path in data.shards(part)]
    records = tf.data.TFRecordDataset(files).take(max(wanted, default=-1) + 1)
    yield from (record for at, record in enumerate(records.as_numpy_iterator()) if at in wanted)

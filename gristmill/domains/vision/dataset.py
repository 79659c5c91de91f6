"""Dataset that preprocess writes: images of one size in shards, their labels and their parts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.vision.models import Shape
from gristmill.util.table_io import read_document, read_table, write_document

if TYPE_CHECKING:
    import tensorflow as tf

Pixels = npt.NDArray[np.uint8]  # (images, height, width, channels)
Features = npt.NDArray[np.float32]  # (images, features)


@dataclass(frozen=True)
class Layout:
    """Size, encoding, classes and counts of the images."""

    height: int
    width: int
    channels: int
    encoding: str  # raw or jpeg
    fit: str
    classes: list[str]
    counts: dict[str, int]  # images in each part

    @property
    def bytes_per_image(self) -> int:
        """Size of a decoded image."""
        return self.height * self.width * self.channels

    @property
    def shape(self) -> Shape:
        """Inputs and outputs of a classifier."""
        return Shape(self.height, self.width, self.channels, len(self.classes))


@dataclass(frozen=True)
class Prepared(LabelledDataset):
    """The images of all parts, read on demand.

    The index is in the order of the shards. It also holds `width`, `height` and `format` of the photo, and the metadata
    of the source.
    """

    folder: Path
    layout: Layout
    features: Path | None = None  # folder of the features that a frozen base gives, if they are used (`features.py`)

    def shards(self, part: str) -> list[Path]:
        """Return the shards of a part, in order."""
        return sorted(self.folder.glob(f"{part}-*.tfrecord"))

    def dataset(self, part: str, batch: int = 256) -> "tf.data.Dataset":
        """Return batches of (pixels uint8, label int64) of a part, in the order of the index."""
        import tensorflow as tf

        cardinality = tf.data.experimental.assert_cardinality(-(-len(self.rows(part)) // batch))  # Keras needs this
        return self.batches(self.shards(part), batch).apply(cardinality)

    def batches(self, shards: Sequence[Path], batch: int = 256) -> "tf.data.Dataset":
        """Return batches of (pixels uint8, label int64) of some shards."""
        import tensorflow as tf

        records = tf.data.TFRecordDataset(tf.constant([str(path) for path in shards], tf.string))
        return records.batch(batch).map(self.decode, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def decode(self, records: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
        """Return the pixels and labels of serialised examples, (batch,)."""
        import tensorflow as tf

        features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
        parsed = tf.io.parse_example(records, features)
        shape = self.layout.shape.image
        if self.layout.encoding == "raw":
            return tf.reshape(tf.io.decode_raw(parsed["image"], tf.uint8), (-1, *shape)), parsed["label"]

        def decode_jpeg(encoded: tf.Tensor) -> tf.Tensor:
            pixels = tf.io.decode_jpeg(encoded, channels=shape[-1], dct_method="INTEGER_ACCURATE")
            return tf.ensure_shape(pixels, shape)

        pixels = tf.map_fn(decode_jpeg, parsed["image"], fn_output_signature=tf.TensorSpec(shape, tf.uint8))
        return pixels, parsed["label"]

    def stored_features(self, part: str) -> Features:
        """Return the features of a part, (images, features), on disk."""
        return np.asarray(np.load(f"{self.features}/{part}.npy", mmap_mode="r", allow_pickle=False))

    def pixels(self, part: str) -> Pixels:
        """Return all pixels of a part: (images, height, width, channels)."""
        return self.pick_pixels(part, range(len(self.rows(part))))

    def pick_pixels(self, part: str, positions: Sequence[int]) -> Pixels:
        """Return the pixels of images of a part, given their positions: (images, height, width, channels)."""
        chosen = np.array(positions, np.int64)
        pixels = np.empty((len(chosen), *self.layout.shape.image), np.uint8)
        begin = 0
        for batch, _ in self.dataset(part).as_numpy_iterator():
            in_batch = (begin <= chosen) & (chosen < begin + len(batch))
            pixels[in_batch] = batch[chosen[in_batch] - begin]
            begin += len(batch)
        return pixels


def shard_edges(images: int, shards: int) -> list[int]:
    """Return the position of the first image of each shard of a part, and the number of images."""
    return [int(edge) for edge in np.linspace(0, images, shards + 1)]


def read(folder: Path, features: Path | None = None) -> Prepared:
    """Read the dataset in a folder of preprocess, to be used with the features in another folder, if it is given."""
    layout = Layout(**read_document(folder / "layout.json"))
    return Prepared(read_table(folder / "index.parquet"), layout.classes, folder, layout, features)


def write_layout(layout: Layout, out: Path) -> None:
    """Write `layout.json`."""
    write_document(out / "layout.json", asdict(layout))

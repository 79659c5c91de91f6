"""What an image classifier is trained on: all images in memory where they fit, else a stream from the shards."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.classification.settings import Train
from gristmill.classification.truth import Truth
from gristmill.feed import Change, GatheredFeed
from gristmill.fit import Batch, Feed, Update
from gristmill.vision.augment import augmented, changes
from gristmill.vision.prepared import Prepared
from gristmill.vision.settings import Augment

IN_MEMORY = 1 << 30  # bytes of decoded images that are held; more are read again in every epoch
_SHUFFLED = 4_096  # images of a stream that are mixed with each other; the shards are in a random order already
_VALIDATED = 256  # images in a batch for validation


def feed_of(data: Prepared, truth: Truth, augment: Augment, settings: Train) -> Feed:
    """Return the feed of the training part."""
    change = _change(augment)
    images = data.layout.counts["train"]
    if images * data.layout.bytes_per_image <= IN_MEMORY:
        return memory_feed(data.pixels("train"), data.labels("train"), truth, settings, change)
    return StreamFeed(data, truth, settings, change)


def features_feed(base: keras.Model, data: Prepared, truth: Truth, settings: Train) -> Feed:
    """Return a feed of the features that a base which does not learn gives of the training images."""
    return memory_feed(features_of(base, data, "train"), data.labels("train"), truth, settings)


def fits(data: Prepared, features: int) -> bool:
    """Whether so many features of each training and validation image can be held in memory."""
    images = data.layout.counts["train"] + data.layout.counts["validation"]
    return 4 * features * images <= IN_MEMORY


def features_of(base: keras.Model, data: Prepared, part: str) -> npt.NDArray[np.float32]:
    """Return a base's features of the images of a part, in order: (images, features)."""
    batches = data.dataset(part, _VALIDATED).map(lambda pixels, _: floats(pixels))
    made: npt.NDArray[np.float32] = base.predict(batches, verbose=0)
    return made


def validation_of(data: Prepared, truth: Truth, base: keras.Model | None = None) -> tf.data.Dataset | None:
    """Return batches of the validation part, never augmented, or of a base's features of it; None where it is empty."""
    if not data.layout.counts["validation"]:
        return None
    if base is not None:
        items = (features_of(base, data, "validation"), data.labels("validation"))
        return tf.data.Dataset.from_tensor_slices(items).batch(_VALIDATED).map(truth.batch)
    batches = data.dataset("validation", _VALIDATED).map(lambda pixels, labels: truth.batch(floats(pixels), labels))
    small = data.layout.counts["validation"] * data.layout.bytes_per_image * 4 <= IN_MEMORY
    return batches.cache() if small else batches


def memory_feed(
    items: npt.NDArray[Any], labels: npt.NDArray[np.int64], truth: Truth, settings: Train, change: Change | None = None
) -> GatheredFeed:
    """Return a feed of arrays: pixels, or features of them."""
    held, known = tf.constant(items), tf.constant(labels)

    def gather(positions: tf.Tensor) -> Batch:
        return truth.batch(floats(tf.gather(held, positions)), tf.gather(known, positions))

    return GatheredFeed(tf.range(len(items), dtype=tf.int64), gather, settings, change, settings.steps_per_epoch)


def floats(pixels: tf.Tensor) -> tf.Tensor:
    """Return pixels as numbers that a network takes, 0 to 255."""
    return tf.cast(pixels, tf.float32)


class StreamFeed:
    """Batches read from the shards, in an order that depends on seed and epoch alone; an element is a batch."""

    def __init__(self, data: Prepared, truth: Truth, settings: Train, change: Change | None) -> None:
        images = data.layout.counts["train"]
        self._data = data
        self._truth = truth
        self._settings = settings
        self._change: Callable[[Batch, tf.Tensor], Batch] = change or (lambda batch, seed: batch)
        self._shards = tf.constant([str(path) for path in data.shards("train")])
        whole = -(-images // settings.batch_size)
        self.updates = self.elements = min(whole, settings.steps_per_epoch or whole)

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return the batches of all epochs from `first_epoch` (counted from 0) on."""
        epochs = tf.data.Dataset.range(first_epoch, self._settings.epochs)
        return epochs.flat_map(self._epoch).prefetch(tf.data.AUTOTUNE)

    def each(self, element: Batch, update: Update) -> None:
        """Update with a batch."""
        update(element)

    def batches(self) -> tf.data.Dataset:
        """Return the batches of the first epoch."""
        return self._epoch(tf.constant(0, tf.int64))

    def _epoch(self, epoch: tf.Tensor) -> tf.data.Dataset:
        settings = self._settings
        seed = tf.stack([tf.constant(settings.seed, tf.int64), epoch])
        shards = tf.data.Dataset.from_tensor_slices(tf.random.experimental.stateless_shuffle(self._shards, seed))
        records = shards.interleave(tf.data.TFRecordDataset, cycle_length=4, block_length=16)
        mix = tf.random.experimental.stateless_shuffle  # `Dataset.shuffle` would depend on the process's seed as well
        block = max(settings.batch_size, min(_SHUFFLED, IN_MEMORY // (8 * self._data.layout.bytes_per_image)))
        mixed = records.batch(block).map(lambda block: mix(block, seed)).unbatch()
        batches = mixed.batch(settings.batch_size).take(self.updates).enumerate()
        return batches.map(
            lambda step, records: self._read(records, epoch * self.updates + step),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    def _read(self, records: tf.Tensor, number: tf.Tensor) -> Batch:
        pixels, labels = self._data.decode(records)
        seed = tf.stack([tf.constant(self._settings.seed, tf.int64), number])
        return self._change(self._truth.batch(floats(pixels), labels), seed)


def _change(augment: Augment) -> Change | None:
    """Return what changes the images of a batch at random; None where nothing does."""
    if not changes(augment):
        return None
    return lambda batch, seed: (augmented(batch[0], augment, seed), *batch[1:])

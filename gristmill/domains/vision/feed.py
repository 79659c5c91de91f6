"""What an image classifier is trained on: images in memory where they fit, else a stream of them, or their features."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.vision.augment import augment_images, changes_images
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.settings import Augment
from gristmill.training.feed import Change, Gather, GatheredFeed
from gristmill.training.fit import Batch, Feed, Update

IN_MEMORY = 1 << 30  # bytes of decoded images that are held; more are read again in every epoch
_SHUFFLED = 4_096  # images of a stream that are mixed with each other; the shards are in a random order already
_VALIDATED = 256  # images in a batch for validation


def feed_of(data: Prepared, truth: Targets, augment: Augment, settings: Train) -> Feed:
    """Return the feed of the training part."""
    change = _change(augment)
    images = data.layout.counts["train"]
    if images * data.layout.bytes_per_image <= IN_MEMORY:
        return gathered(images, pixels_in_memory(data, truth), settings, change)
    return StreamFeed(data, truth, settings, change)


def features_feed(features: Path, data: Prepared, truth: Targets, settings: Train) -> Feed:
    """Return the feed of a base's features of the training part, from the folder that holds them (`features.py`)."""
    return gathered(data.layout.counts["train"], features_on_disk(features, "train", data, truth), settings)


def validation_of(data: Prepared, truth: Targets, features: Path | None = None) -> tf.data.Dataset | None:
    """Return batches of the validation part, never augmented, or of a base's features of it; None where it is empty."""
    if not data.layout.counts["validation"]:
        return None
    if features:
        positions = tf.data.Dataset.range(data.layout.counts["validation"]).batch(_VALIDATED)
        return positions.map(features_on_disk(features, "validation", data, truth))
    batches = data.dataset("validation", _VALIDATED).map(lambda pixels, labels: truth.batch(floats(pixels), labels))
    small = data.layout.counts["validation"] * data.layout.bytes_per_image * 4 <= IN_MEMORY
    return batches.cache() if small else batches


def gathered(images: int, gather: Gather, settings: Train, change: Change | None = None) -> GatheredFeed:
    """Return a feed of so many images by their positions."""
    return GatheredFeed(tf.range(images, dtype=tf.int64), gather, settings, change, settings.steps_per_epoch)


def pixels_in_memory(data: Prepared, truth: Targets) -> Gather:
    """Return what gives the batch of the training images at some positions."""
    held, labels = tf.constant(data.pixels("train")), tf.constant(data.labels("train"))
    return lambda positions: truth.batch(floats(tf.gather(held, positions)), tf.gather(labels, positions))


def features_on_disk(features: Path, part: str, data: Prepared, truth: Targets) -> Gather:
    """Return what gives the batch of the features at some positions of a part; memory need not hold them all."""
    held = np.load(features / f"{part}.npy", mmap_mode="r", allow_pickle=False)
    labels = tf.constant(data.labels(part))

    def gather(positions: tf.Tensor) -> Batch:
        read = tf.numpy_function(lambda rows: held[rows], [positions], tf.float32)
        return truth.batch(tf.ensure_shape(read, (*positions.shape, held.shape[1])), tf.gather(labels, positions))

    return gather


def floats(pixels: tf.Tensor) -> tf.Tensor:
    """Return pixels as numbers that a network takes, 0 to 255."""
    return tf.cast(pixels, tf.float32)


class StreamFeed:
    """Batches read from the shards, in an order that depends on seed and epoch alone; an element is a batch."""

    def __init__(self, data: Prepared, truth: Targets, settings: Train, change: Change | None) -> None:
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
    if not changes_images(augment):
        return None
    return lambda batch, seed: (augment_images(batch[0], augment, seed), *batch[1:])

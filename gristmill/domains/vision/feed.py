"""Training data of an image classifier: images in memory, a stream of images that do not fit, or features."""

from collections.abc import Callable

import tensorflow as tf

from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.vision.augment import augment_images, changes_images
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.settings import Augment
from gristmill.training.feed import Change, Gather, GatheredFeed
from gristmill.training.fit import Batch, Feed, Update

MAX_BYTES_IN_MEMORY = 1 << 30  # limit for decoded images; beyond it, images are read again in every epoch
_SHUFFLE_BLOCK = 4_096  # images of a stream that are shuffled together; the order of the shards is random too
_VALIDATION_BATCH = 256  # images


def feed_of(data: Prepared, targets: Targets, augment: Augment, settings: Train) -> Feed:
    """Return the feed of the training set, or of its features if they are used."""
    images, change = data.layout.counts["train"], _change(augment)
    if data.features:
        gather = _features_on_disk("train", data, targets)
    elif images * data.layout.bytes_per_image <= MAX_BYTES_IN_MEMORY:
        gather = _pixels_in_memory(data, targets)
    else:
        return StreamFeed(data, targets, settings, change)
    return GatheredFeed(tf.range(images, dtype=tf.int64), gather, settings, change, settings.steps_per_epoch)


def validation_of(data: Prepared, targets: Targets) -> tf.data.Dataset | None:
    """Return batches of the validation set, never augmented, or of its features; None if it is empty."""
    images = data.layout.counts["validation"]
    if not images:
        return None
    if data.features:
        positions = tf.data.Dataset.range(images).batch(_VALIDATION_BATCH)
        return positions.map(_features_on_disk("validation", data, targets))
    batches = data.dataset("validation", _VALIDATION_BATCH).map(
        lambda pixels, labels: targets.batch(tf.cast(pixels, tf.float32), labels)
    )
    return batches.cache() if images * data.layout.bytes_per_image * 4 <= MAX_BYTES_IN_MEMORY else batches


def _pixels_in_memory(data: Prepared, targets: Targets) -> Gather:
    """Return a function from positions to a batch of training images."""
    images, labels = tf.constant(data.pixels("train")), tf.constant(data.labels("train"))
    return lambda positions: targets.batch(
        tf.cast(tf.gather(images, positions), tf.float32), tf.gather(labels, positions)
    )


def _features_on_disk(part: str, data: Prepared, targets: Targets) -> Gather:
    """Return a function from positions to a batch of features of a part; they need not fit into memory."""
    array, labels = data.stored_features(part), tf.constant(data.labels(part))

    def gather(positions: tf.Tensor) -> Batch:
        rows = tf.numpy_function(lambda rows: array[rows], [positions], tf.float32)
        return targets.batch(tf.ensure_shape(rows, (*positions.shape, array.shape[1])), tf.gather(labels, positions))

    return gather


class StreamFeed:
    """Batches read from the shards, in an order that depends only on seed and epoch; an element is a batch."""

    def __init__(self, data: Prepared, targets: Targets, settings: Train, change: Change | None) -> None:
        self._data = data
        self._targets = targets
        self._settings = settings
        self._change: Callable[[Batch, tf.Tensor], Batch] = change or (lambda batch, seed: batch)
        self._shards = tf.constant([str(path) for path in data.shards("train")])
        batches = -(-data.layout.counts["train"] // settings.batch_size)
        self.updates = self.elements = min(batches, settings.steps_per_epoch or batches)

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
        shuffle = tf.random.experimental.stateless_shuffle  # `Dataset.shuffle` also depends on the process's seed
        shards = tf.data.Dataset.from_tensor_slices(shuffle(self._shards, seed))
        records = shards.interleave(tf.data.TFRecordDataset, cycle_length=4, block_length=16)
        block = max(
            settings.batch_size, min(_SHUFFLE_BLOCK, MAX_BYTES_IN_MEMORY // (8 * self._data.layout.bytes_per_image))
        )
        shuffled = records.batch(block).map(lambda block: shuffle(block, seed)).unbatch()
        batches = shuffled.batch(settings.batch_size).take(self.updates).enumerate()
        return batches.map(
            lambda step, records: self._read(records, epoch * self.updates + step),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )

    def _read(self, records: tf.Tensor, number: tf.Tensor) -> Batch:
        pixels, labels = self._data.decode(records)
        seed = tf.stack([tf.constant(self._settings.seed, tf.int64), number])
        return self._change(self._targets.batch(tf.cast(pixels, tf.float32), labels), seed)


def _change(augment: Augment) -> Change | None:
    """Return the random change of a batch; None if the settings change nothing."""
    if not changes_images(augment):
        return None
    return lambda batch, seed: (augment_images(batch[0], augment, seed), *batch[1:])

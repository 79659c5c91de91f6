"""Train: a classifier from pixels to probabilities, with its held-out predictions.

Images to train on are in memory, or a stream if they do not fit; a frozen base gives features instead.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, Unpack, runtime_checkable

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common import supervised
from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.predictions import probabilities
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.common.folds import Split
from gristmill.domains.common.supervised import Trained
from gristmill.domains.vision import dataset
from gristmill.domains.vision.augment import augment_images, changes_images
from gristmill.domains.vision.dataset import Pixels, Prepared
from gristmill.domains.vision.image_classifier import HEAD, probabilities_of
from gristmill.domains.vision.labelled_images import write_split
from gristmill.domains.vision.learner import ImageLearner
from gristmill.domains.vision.models import Shape
from gristmill.domains.vision.settings import Augment
from gristmill.training.feed import Change, Gather, GatheredFeed
from gristmill.training.fit import Batch, Feed, FitArguments, Update, fit
from gristmill.training.seeds import seeded
from gristmill.training.train_steps import ClosedForm, Model, build_network, check_network_shape

_SAMPLES, _VARIANTS_PER_SAMPLE = 6, 5  # augmented images in the report
MAX_BYTES_IN_MEMORY = 1 << 30  # limit for decoded images; beyond it, images are read again in every epoch
_SHUFFLE_BLOCK = 4_096  # images of a stream that are shuffled together; the order of the shards is random too
_VALIDATION_BATCH = 256  # images


@runtime_checkable
class PretrainedModel(Protocol):
    """Settings that name a file of weights."""

    def located(self, files: Sequence[Path]) -> Model: ...


def train(
    *,
    model: Model | ClosedForm,
    augment: Augment,
    train: Train,
    preprocess: Path,
    out: Path,
    files: Sequence[Path] = (),
    features: Path | None = None,
    **arguments: Unpack[FitArguments],
) -> dict[str, int]:
    """Fit the model: a network on the training set, a classifier in closed form on training and validation set.

    With `patience`, the validation set selects the network's epoch. With features of a frozen base, only the head is
    fitted, on them.

    Writes the network (`saved_network.py`), `validation.parquet` (`held_out.py`), `epochs.parquet`, `training.json`
    and, if images are augmented, `samples.npy`: uint8 (images, 1 + variants, height, width, channels), the first
    variant being the original.

    Raises:
        RequestError: settings that do not fit together, or a model of another shape.
        Diverged: the loss is not a finite number.
        Unsuitable: the kind cannot be fitted to the images, or there are few and `train.few_examples` is "refuse".
    """
    # 1. Read the images, and show some as they are augmented.
    data = dataset.read(preprocess, features)
    balanced = train.class_weights is not None
    if isinstance(model, PretrainedModel):
        model = model.located(files)
    if changes_images(augment) and not isinstance(model, ClosedForm):
        np.save(out / "samples.npy", samples(data, augment, train.seed), allow_pickle=False)

    # 2. Fit the model.
    def train_network(model: Model, split: Split | None, arguments: FitArguments) -> Trained:
        folder, learned = out / "fold", data
        if split:
            folder.mkdir()
            learned = write_split(data, split, folder, folder)
        network = seeded(lambda: build(model, files, data.layout.shape), train.seed)
        targets = Targets(learned, train)
        learner = network.get_layer(HEAD) if data.features else network
        feed = feed_of(learned, targets, augment, train)
        validation = validation_of(learned, targets)
        history = fit(learner, feed, validation, train, targets.loss(), goal=targets.goal(), **arguments)
        network = published(network, augment.average_flips)
        predicted = probabilities_of(network, learned, "validation")
        if split:
            shutil.rmtree(folder)
        return network, history, predicted

    learner = ImageLearner(data, balanced)
    return supervised.train(learner, model, train_network, train.few_examples, arguments, out, balanced=balanced)


def build(model: Model, files: Sequence[Path], shape: Shape) -> keras.Model:
    """Return the model's network, from pixels to logits."""
    network = build_network(model, files, shape)
    return check_network_shape(network, "image", [shape.image], [(shape.outputs,)])


def published(network: keras.Model, average_flips: bool = False) -> keras.Model:
    """Return the network of logits as a network of probabilities, one per class: (batch, classes).

    With `average_flips`, the logits are the mean of those of the image and of its mirror image.
    """
    pixels = keras.Input(network.input_shape[1:], dtype="uint8", name="image")
    images = keras.layers.Rescaling(1.0, name="as_float")(pixels)
    logits = network(images)
    if average_flips:
        mirrored = network(keras.ops.flip(images, axis=2))
        logits = keras.layers.Average(name="mean_of_flips")([logits, mirrored])
    return keras.Model(pixels, probabilities(logits), name="classifier")


def samples(data: Prepared, augment: Augment, seed: int) -> Pixels:
    """Return the first training images, each with its augmented variants."""
    images = tf.cast(next(iter(data.dataset("train", _SAMPLES)))[0], tf.float32)
    seeds = [tf.constant([seed, variant], tf.int64) for variant in range(_VARIANTS_PER_SAMPLE)]
    stacked = tf.stack([images, *(augment_images(images, augment, variant) for variant in seeds)], axis=1)
    return np.asarray(tf.cast(tf.round(stacked), tf.uint8))


def feed_of(data: Prepared, targets: Targets, augment: Augment, settings: Train) -> Feed:
    """Return the feed of the training set, or of its features if they are used."""
    images = data.layout.counts["train"]

    def augment_batch(batch: Batch, seed: tf.Tensor) -> Batch:
        return (augment_images(batch[0], augment, seed), *batch[1:])

    change = augment_batch if changes_images(augment) else None
    if data.features:
        gather = _features_on_disk("train", data, targets)
    elif images * data.layout.bytes_per_image <= MAX_BYTES_IN_MEMORY:
        pixels, labels = tf.constant(data.pixels("train")), tf.constant(data.labels("train"))

        def gather(positions: tf.Tensor) -> Batch:
            return targets.batch(tf.cast(tf.gather(pixels, positions), tf.float32), tf.gather(labels, positions))
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


def _features_on_disk(part: str, data: Prepared, targets: Targets) -> Gather:
    """Return a function from positions to a batch of features of a part; they need not fit into memory."""
    array = data.stored_features(part)
    labels = tf.constant(data.labels(part))

    def gather(positions: tf.Tensor) -> Batch:
        rows = tf.numpy_function(lambda rows: array[rows], [positions], tf.float32)
        return targets.batch(tf.ensure_shape(rows, (*positions.shape, array.shape[1])), tf.gather(labels, positions))

    return gather


class StreamFeed:
    """Batches read from the shards, in an order that depends only on seed and epoch; an element is a batch."""

    def __init__(self, data: Prepared, targets: Targets, settings: Train, change: Change | None) -> None:
        self._data, self._targets, self._settings = data, targets, settings
        self._change: Callable[[Batch, tf.Tensor], Batch] = change or (lambda batch, seed: batch)
        self._shards = tf.constant([str(path) for path in data.shards("train")])
        batches = -(-data.layout.counts["train"] // settings.batch_size)
        self.updates = self.elements = min(batches, settings.steps_per_epoch or batches)

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return the batches of all epochs from `first_epoch` (counted from 0) on."""
        epochs = tf.data.Dataset.range(first_epoch, self._settings.epochs)
        return epochs.flat_map(self._epoch).prefetch(tf.data.AUTOTUNE)

    def for_each_batch(self, element: Batch, update: Update) -> None:
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
        fitting = MAX_BYTES_IN_MEMORY // (8 * self._data.layout.bytes_per_image)
        block = max(settings.batch_size, min(_SHUFFLE_BLOCK, fitting))
        shuffled = records.batch(block).map(lambda block: shuffle(block, seed)).unbatch()
        batches = shuffled.batch(settings.batch_size).take(self.updates).enumerate()

        def read(step: tf.Tensor, records: tf.Tensor) -> Batch:
            pixels, labels = self._data.decode(records)
            own_seed = tf.stack([tf.constant(settings.seed, tf.int64), epoch * self.updates + step])
            return self._change(self._targets.batch(tf.cast(pixels, tf.float32), labels), own_seed)

        return batches.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)

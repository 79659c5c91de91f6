"""Train: fit a classifier of images; write it as a network from pixels to probabilities."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Unpack, runtime_checkable

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.predictions import probabilities
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.vision import dataset
from gristmill.domains.vision.augment import augment_images, changes_images
from gristmill.domains.vision.dataset import Pixels, Prepared
from gristmill.domains.vision.feed import feed_of, validation_of
from gristmill.domains.vision.model_shape import Shape
from gristmill.domains.vision.settings import Augment
from gristmill.training.fit import FitArguments, fit
from gristmill.training.outputs import Model, build_network, check_network_shape, write_trained
from gristmill.training.seeds import seeded

_SAMPLES, _VARIANTS_PER_SAMPLE = 6, 5  # augmented images in the report


@runtime_checkable
class PretrainedModel(Protocol):
    """Settings that name a file of weights."""

    def located(self, files: Sequence[Path]) -> Model: ...


def train(
    *,
    model: Model,
    augment: Augment,
    train: Train,
    preprocess: Path,
    out: Path,
    files: Sequence[Path] = (),
    features: Path | None = None,
    **arguments: Unpack[FitArguments],
) -> dict[str, int]:
    """Fit the model on the training images; with `patience`, choose the epoch on the validation images.

    Writes the network (`saved_network.py`), `epochs.parquet`, `training.json` and, if images are augmented,
    `samples.npy`: uint8 (images, 1 + variants, height, width, channels), the first variant being the original. With
    `features` of a frozen base, only the network's layer "head" is fitted, on them.

    Raises:
        RequestError: settings that do not fit together, or a model of another shape.
        Diverged: the loss is not a finite number.
    """
    data = dataset.read(preprocess)
    network, targets = seeded(lambda: build(model, files, data.layout.shape), train.seed), Targets(data, train)
    learner = network.get_layer("head") if features else network
    feed, validation = feed_of(data, targets, augment, train, features), validation_of(data, targets, features)
    history = fit(learner, feed, validation, train, targets.loss(), goal=targets.goal(), **arguments)
    if changes_images(augment):
        np.save(out / "samples.npy", samples(data, augment, train.seed), allow_pickle=False)
    return write_trained(published(network), history, out)


def build(model: Model, files: Sequence[Path], shape: Shape) -> keras.Model:
    """Return the model's network, from pixels to logits."""
    network = build_network(model.located(files) if isinstance(model, PretrainedModel) else model, files, shape)
    return check_network_shape(network, "image", [(shape.height, shape.width, shape.channels)], [(shape.outputs,)])


def published(network: keras.Model) -> keras.Model:
    """Return the network of logits as a network of probabilities, one per class: (batch, classes)."""
    pixels = keras.Input(network.input_shape[1:], dtype="uint8", name="image")
    logits = network(keras.layers.Rescaling(1.0, name="as_float")(pixels))
    return keras.Model(pixels, probabilities(logits), name="classifier")


def samples(data: Prepared, augment: Augment, seed: int) -> Pixels:
    """Return the first training images, each with its augmented variants."""
    images = tf.cast(next(iter(data.dataset("train", _SAMPLES)))[0], tf.float32)
    seeds = [tf.constant([seed, variant], tf.int64) for variant in range(_VARIANTS_PER_SAMPLE)]
    stacked = tf.stack([images, *(augment_images(images, augment, one) for one in seeds)], axis=1)
    pixels: Pixels = tf.cast(tf.round(stacked), tf.uint8).numpy()
    return pixels

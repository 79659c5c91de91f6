"""Train: a classifier from pixels to probabilities, with its held-out predictions."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, Unpack, runtime_checkable

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common import supervised
from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.predictions import probabilities
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.common.fold_training import Trained
from gristmill.domains.common.folds import Split
from gristmill.domains.vision import dataset
from gristmill.domains.vision.augment import augment_images, changes_images
from gristmill.domains.vision.dataset import Pixels, Prepared
from gristmill.domains.vision.feed import feed_of, validation_of
from gristmill.domains.vision.fold_data import write_split
from gristmill.domains.vision.learner import ImageLearner
from gristmill.domains.vision.model_shape import Shape
from gristmill.domains.vision.predictions import HEAD, probabilities_of
from gristmill.domains.vision.settings import Augment
from gristmill.training.fit import FitArguments, fit
from gristmill.training.outputs import ClosedForm, Model, build_network, check_network_shape
from gristmill.training.seeds import seeded

_SAMPLES, _VARIANTS_PER_SAMPLE = 6, 5  # augmented images in the report


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
    data, balanced = dataset.read(preprocess, features), train.class_weights is not None
    if isinstance(model, PretrainedModel):
        model = model.located(files)
    if changes_images(augment) and not isinstance(model, ClosedForm):
        np.save(out / "samples.npy", samples(data, augment, train.seed), allow_pickle=False)

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
        made = probabilities_of(network, learned, "validation")
        if split:
            shutil.rmtree(folder)
        return network, history, made

    learner, few = ImageLearner(data, balanced), train.few_examples
    return supervised.train(learner, model, train_network, few, arguments, out, balanced=balanced)


def build(model: Model, files: Sequence[Path], shape: Shape) -> keras.Model:
    """Return the model's network, from pixels to logits."""
    network = build_network(model, files, shape)
    return check_network_shape(network, "image", [(shape.height, shape.width, shape.channels)], [(shape.outputs,)])


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
    stacked = tf.stack([images, *(augment_images(images, augment, one) for one in seeds)], axis=1)
    pixels: Pixels = tf.cast(tf.round(stacked), tf.uint8).numpy()
    return pixels

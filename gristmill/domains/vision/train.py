"""Train: a classifier from pixels to probabilities, with predictions of images that it was not fitted on."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Unpack, runtime_checkable

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.held_out import (
    FEW_EXAMPLES,
    NETWORK_FOLDS,
    Split,
    folds,
    has_few_examples,
    learning_rows,
    validation_split,
    write_held_out,
)
from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.predictions import Probabilities, probabilities
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.vision import closed_form, dataset
from gristmill.domains.vision.augment import augment_images, changes_images
from gristmill.domains.vision.closed_form import ClosedForm
from gristmill.domains.vision.dataset import Pixels, Prepared
from gristmill.domains.vision.ensemble import Member, average
from gristmill.domains.vision.feed import feed_of, validation_of
from gristmill.domains.vision.fold_data import FEATURES, write_split
from gristmill.domains.vision.model_shape import Shape
from gristmill.domains.vision.predictions import HEAD, probabilities_of
from gristmill.domains.vision.settings import Augment
from gristmill.errors import Unsuitable
from gristmill.training.fit import FitArguments, fit
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import Model, build_network, check_network_shape, write_trained
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
    data = dataset.read(preprocess)
    if isinstance(model, PretrainedModel):
        model = model.located(files)
    if isinstance(model, ClosedForm):
        return closed_form.fit(model, data, features, out)
    if changes_images(augment):
        np.save(out / "samples.npy", samples(data, augment, train.seed), allow_pickle=False)
    few = has_few_examples(data)
    if few and train.few_examples == "refuse":
        raise Unsuitable(f"needs {FEW_EXAMPLES:,} images to learn from; there are {len(learning_rows(data)):,}")
    training = _Training(model, augment, train, files)
    if few and train.few_examples == "average":
        return _train_folds(training, data, features, out, arguments)
    network, history = training.train(data, features, arguments)
    if data.layout.counts["validation"]:
        held_out = [validation_split(data)]
        write_held_out(data, held_out, lambda _: probabilities_of(network, data, "validation", features), out)
    return write_trained(network, history, out)


@dataclass(frozen=True)
class _Training:
    """Settings of a network and its training."""

    model: Model
    augment: Augment
    settings: Train
    files: Sequence[Path]

    def train(
        self, data: Prepared, features: Path | None, arguments: FitArguments
    ) -> tuple[keras.Model, TrainingHistory]:
        """Return the trained network, from pixels to probabilities, and its history."""
        settings, targets = self.settings, Targets(data, self.settings)
        network = seeded(lambda: build(self.model, self.files, data.layout.shape), settings.seed)
        learner = network.get_layer(HEAD) if features else network
        feed = feed_of(data, targets, self.augment, settings, features)
        validation = validation_of(data, targets, features)
        history = fit(learner, feed, validation, settings, targets.loss(), goal=targets.goal(), **arguments)
        return published(network), history


def _train_folds(
    training: _Training, data: Prepared, features: Path | None, out: Path, arguments: FitArguments
) -> dict[str, int]:
    """Train a network for each fold of training and validation set, and write their average.

    Each fold serves as the validation set of the network that is trained on the others.
    """
    networks, histories = list[keras.Model](), list[TrainingHistory]()

    def predict(fold: Split) -> Probabilities:
        name = f"fold_{len(networks)}"
        scratch, logs = (folder / name for folder in (arguments["scratch"], arguments["logs"]))
        learned = write_split(data, fold, out / name, features)
        stored = out / name / FEATURES if features else None
        network, history = training.train(learned, stored, {**arguments, "scratch": scratch, "logs": logs})
        networks.append(network)
        histories.append(history)
        predicted = probabilities_of(network, learned, "validation", stored)
        shutil.rmtree(out / name)
        return predicted

    write_held_out(data, folds(data, NETWORK_FOLDS), predict, out)
    members = [Member(f"fold_{at}", network, 1 / len(networks)) for at, network in enumerate(networks)]
    return write_trained(average(members), histories[0], out)


def build(model: Model, files: Sequence[Path], shape: Shape) -> keras.Model:
    """Return the model's network, from pixels to logits."""
    network = build_network(model, files, shape)
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

"""Train: a classifier of images, published as one that takes pixels and gives probabilities."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.settings import Train
from gristmill.domains.vision import dataset
from gristmill.domains.vision.augment import augment_images, changes_images
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.export_network import published
from gristmill.domains.vision.feed import features_feed, feed_of, floats, validation_of
from gristmill.domains.vision.model_shape import Shape
from gristmill.domains.vision.settings import Augment
from gristmill.settings.custom_code import CustomCode
from gristmill.training.fit import OnEpoch, fit
from gristmill.training.outputs import check_network_shape, write_trained
from gristmill.training.seeds import seeded

_SAMPLES, _VARIANTS = 6, 5  # images that are drawn in the report, and how often each is changed


class Model(Protocol):
    """Settings that can build their network."""

    def build(self, shape: Shape) -> keras.Model: ...


@runtime_checkable
class Weighted(Protocol):
    """Settings that name a file of weights."""

    def located(self, files: Sequence[Path]) -> Model: ...


def train(
    *,
    model: Model | CustomCode,
    augment: Augment,
    train: Train,
    preprocess: Path,
    out: Path,
    scratch: Path,
    logs: Path,
    on_epoch: OnEpoch,
    files: Sequence[Path] = (),
    features: Path | None = None,
) -> dict[str, int]:
    """Fit the model on the training images; choose the epoch on the validation images where `patience` is set.

    Writes the network from pixels to probabilities (`network.py`), `epochs.parquet`, `training.json` and, where images
    are changed, `samples.npy`: uint8 (images, 1 + variants, height, width, channels), the first as it is.

    Of a network whose base stays as it is, the head alone is fitted, on features that are computed already.

    Args:
        model: settings of the model.
        augment: how training images are changed.
        train: settings of the training.
        preprocess: folder of the prepared images.
        out: folder to write to.
        scratch: folder of the checkpoints.
        logs: folder of TensorBoard's logs.
        on_epoch: called after each epoch.
        files: of the user's own model, its file first; or the weights that the model names.
        features: folder of the features that the network's layer "base" gives, for its layer "head" to be fitted on.

    Raises:
        RequestError: settings that do not go together.
        Diverged: the loss is not a finite number.
    """
    data = dataset.read(preprocess)
    network, truth = seeded(lambda: build(model, data, files), train.seed), Targets(data, train)
    learner = network.get_layer("head") if features else network
    feed = features_feed(features, data, truth, train) if features else feed_of(data, truth, augment, train)
    validation = validation_of(data, truth, features)
    loss, goal = truth.loss(), truth.goal()
    course = fit(learner, feed, validation, train, loss, scratch, on_epoch, logs, goal=goal)
    write_trained(published(network), course, out)
    if changes_images(augment):
        np.save(out / "samples.npy", samples(data, augment, train.seed), allow_pickle=False)
    return {"parameters": network.count_params(), "epochs": len(course.losses)}


def build(model: Model | CustomCode, data: Prepared, files: Sequence[Path]) -> keras.Model:
    """Return the model's network, from pixels to logits."""
    shape = data.layout.shape
    if isinstance(model, CustomCode):
        network = model.load(files)(shape)
    else:
        network = (model.located(files) if isinstance(model, Weighted) else model).build(shape)
    check_network_shape(network, "image", [(shape.height, shape.width, shape.channels)], (shape.outputs,))
    return network


def samples(data: Prepared, augment: Augment, seed: int) -> dataset.Pixels:
    """Return the first training images, each as it is and as it is changed."""
    images, _ = next(iter(data.dataset("train", _SAMPLES)))
    variants = [
        augment_images(floats(images), augment, tf.constant([seed, draw], tf.int64)) for draw in range(_VARIANTS)
    ]
    stacked = tf.stack([floats(images), *variants], axis=1)
    made: dataset.Pixels = tf.cast(tf.round(stacked), tf.uint8).numpy()
    return made

"""Train: fit a model of raw rows, in closed form or by gradient descent, and predict rows that it was not fitted on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.fold_training import Trained, train_networks
from gristmill.domains.common.folds import Split
from gristmill.domains.tabular import closed_form, dataset, held_out
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import encode, predict_target, quantile_knots, wrap_network
from gristmill.domains.tabular.settings import Train
from gristmill.domains.tabular.target_scale import target_scale
from gristmill.training.feed import GatheredFeed
from gristmill.training.fit import Batch, FitArguments, fit
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import ClosedForm, Model, build_network, check_network_shape, write_trained
from gristmill.training.seeds import seeded


def train(
    *,
    model: Model | ClosedForm,
    train: Train,
    preprocess: Path,
    out: Path,
    files: Sequence[Path] = (),
    **arguments: Unpack[FitArguments],
) -> dict[str, int]:
    """Fit the model on the training rows; with `patience`, choose the epoch on the validation rows.

    A kind in closed form is fitted again on training and validation set, after it has predicted the latter. With few
    rows it predicts all of them, fold by fold; so does the average of several networks, if `train.few_examples` asks
    for it.

    Writes the network (`saved_network.py`), `epochs.parquet`, `training.json` and `validation.parquet`, predictions of
    rows that the model was not fitted on.

    Raises:
        RequestError: settings that do not fit together, or a model of another shape.
        Diverged: the loss is not a finite number.
        Unsuitable: the kind cannot be fitted to the data.
    """
    data = dataset.read(preprocess)
    if isinstance(model, ClosedForm):
        (network, honest), history = closed_form.fit(model, data), TrainingHistory()
    else:

        def train_one(split: Split | None, arguments: FitArguments) -> Trained:
            learned = data.with_split(split) if split else data
            network, history = train_network(model, files, learned, train, arguments)
            return network, history, predict_target(network, learned.inputs[learned.parts == "validation"])

        rows = held_out.learning_set(data)
        network, history, honest = train_networks(rows, "rows", train.few_examples, arguments, train_one)
    held_out.write(*honest, out)
    return write_trained(network, history, out)


def train_network(
    model: Model, files: Sequence[Path], data: Prepared, settings: Train, arguments: FitArguments
) -> tuple[keras.Model, TrainingHistory]:
    """Return the network trained on the rows of the training set, from raw inputs to predictions, and its history."""
    pieces = getattr(model, "pieces", 0)
    knots = quantile_knots(data, data.layout, pieces) if pieces else None
    scale = target_scale(data, skewed=getattr(model, "skewed_target", "raw"))
    features = tf.constant(encode(data.inputs, data.layout, knots))
    targets = tf.constant(scale.scaled(data.truth)[:, np.newaxis], tf.float32)

    def gather(positions: tf.Tensor) -> Batch:
        return tf.gather(features, positions), tf.gather(targets, positions)

    core = seeded(lambda: build(model, files, features.shape[1]), settings.seed)
    positions = {part: np.flatnonzero(data.parts == part) for part in ("train", "validation")}
    feed = GatheredFeed(tf.constant(positions["train"], tf.int64), gather, settings)
    validation = None
    if len(positions["validation"]):
        validation = tf.data.Dataset.from_tensor_slices(gather(positions["validation"])).batch(1024)
    history = fit(core, feed, validation, settings, settings.loss, **arguments)
    return wrap_network(core, data.layout, knots, scale), history


def build(model: Model, files: Sequence[Path], features: int) -> keras.Model:
    """Return the model's network, from encoded rows to standardised targets."""
    network = build_network(model, files, features)
    return check_network_shape(network, "row", [(features,)], [(1,)], output_name="a standardised target")

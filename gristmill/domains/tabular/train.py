"""Train: fit a model of raw rows, with or without epochs, and predict rows that were held out."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common import supervised
from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.settings import Train as ClassifierTrain
from gristmill.domains.common.folds import Split
from gristmill.domains.common.supervised import Trained
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import encode, predict_target, quantile_knots, wrap_network
from gristmill.domains.tabular.learner import RowLearner
from gristmill.domains.tabular.models import Shape
from gristmill.domains.tabular.settings import Train
from gristmill.domains.tabular.target_scale import target_scale
from gristmill.errors import RequestError, Unsuitable
from gristmill.training.feed import GatheredFeed
from gristmill.training.fit import Batch, FitArguments, Goal, fit
from gristmill.training.history import TrainingHistory
from gristmill.training.seeds import seeded
from gristmill.training.train_steps import ClosedForm, Model, build_network, check_network_shape

_MAX_CELLS = 500_000_000  # rows x encoded columns, which are in memory during the training: 2 GB


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

    A kind without epochs predicts the validation set, and is then fitted again on the training and validation set. With
    few rows, it predicts all of them by cross-validation; networks do so with `train.few_examples` = "average".

    Writes the network (`saved_network.py`), `epochs.parquet`, `training.json` and `validation.parquet`, the
    held-out predictions.

    Raises:
        RequestError: settings that do not fit together, or a model of another shape.
        Diverged: the loss is not a finite number.
        Unsuitable: the kind cannot be fitted to the data.
    """
    data = replace(dataset.read(preprocess), balanced=train.class_weights is not None)
    if data.balanced and not data.layout.classes:
        raise RequestError("train.class_weights is for classes, but ingest.task is 'regression'. Leave it out.")

    def train_one(model: Model, split: Split | None, arguments: FitArguments) -> Trained:
        learned = data.with_split(split) if split else data
        network, history = train_network(model, files, learned, train, arguments)
        return network, history, predict_target(network, learned.inputs_at(learned.at("validation")))

    learner, few = RowLearner(data), train.few_examples
    return supervised.train(learner, model, train_one, few, arguments, out, balanced=data.balanced)


def train_network(
    model: Model, files: Sequence[Path], data: Prepared, settings: Train, arguments: FitArguments
) -> tuple[keras.Model, TrainingHistory]:
    """Return the network trained on the rows of the training set, from raw inputs to predictions, and its history.

    Raises:
        Unsuitable: the encoded rows would take too much memory.
    """
    data = data.only(np.flatnonzero(data.parts != "test"))
    pieces = getattr(model, "pieces", 0)
    rows, columns = len(data.table), data.layout.features + max(0, pieces - 1) * len(data.layout.measures)
    if rows * columns > _MAX_CELLS:
        raise Unsuitable(
            f"trains on at most {_MAX_CELLS:,} cells (2 GB); {rows:,} rows of {columns:,} encoded columns have "
            f"{rows * columns:,}. Leave out categories with many values"
        )
    # 1. Encode the rows and their targets: positions of classes, or scaled numbers.
    knots = quantile_knots(data, data.layout, pieces) if pieces else None
    if data.layout.classes:
        classes = Targets(data.labelled, ClassifierTrain(class_weights=settings.class_weights))
        scale, loss, goal = None, classes.loss(), classes.goal()
        targets = tf.constant(data.labels)
    else:
        scale, loss, goal = target_scale(data, skewed=getattr(model, "skewed_target", "raw")), settings.loss, Goal()
        targets = tf.constant(scale.scaled(data.truth)[:, np.newaxis].astype(np.float32))
    features = tf.constant(encode(data.inputs, data.layout, knots))

    def gather(positions: tf.Tensor) -> Batch:
        batch = tf.gather(features, positions), tf.gather(targets, positions)
        return classes.batch(*batch) if data.layout.classes else batch

    # 2. Build the network and train it.
    shape = Shape(features.shape[1], data.layout.outputs)
    core = seeded(lambda: build(model, files, shape), settings.seed)
    feed = GatheredFeed(tf.constant(data.at("train"), tf.int64), gather, settings)
    validation = None
    if len(data.at("validation")):
        validation = tf.data.Dataset.from_tensor_slices(gather(data.at("validation"))).batch(1024)
    history = fit(core, feed, validation, settings, loss, goal=goal, **arguments)
    return wrap_network(core, data.layout, knots, scale), history


def build(model: Model, files: Sequence[Path], shape: Shape) -> keras.Model:
    """Return the model's network, from encoded rows to standardised targets or logits."""
    network = build_network(model, files, shape)
    outputs, features = (shape.outputs,), (shape.features,)
    return check_network_shape(network, "row", [features], [outputs], output_name="standardised targets or logits")

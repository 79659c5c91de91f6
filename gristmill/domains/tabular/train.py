"""Train: fit a model of raw rows, in closed form or by gradient descent, and predict rows that it was not fitted on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.tabular import closed_form, dataset, held_out
from gristmill.domains.tabular.closed_form import ClosedForm
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import encode, predict_target, quantile_knots, wrap_network
from gristmill.domains.tabular.ensemble import average
from gristmill.domains.tabular.held_out import FEW_ROWS, Positions, folds, rows_to_learn_from
from gristmill.domains.tabular.settings import Train
from gristmill.domains.tabular.target_scale import target_scale
from gristmill.training.feed import GatheredFeed
from gristmill.training.fit import Batch, FitArguments, fit
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import Model, build_network, check_network_shape, write_trained
from gristmill.training.seeds import seeded


def train(
    *,
    model: Model,
    train: Train,
    preprocess: Path,
    out: Path,
    files: Sequence[Path] = (),
    **arguments: Unpack[FitArguments],
) -> dict[str, int]:
    """Fit the model on the training rows; with `patience`, choose the epoch on the validation rows.

    A kind in closed form is fitted again on training and validation set, after it has predicted the latter. With few
    rows it predicts all of them, fold by fold; so does the average of several networks, if `train.folds` asks for it.

    Writes the network (`saved_network.py`), `epochs.parquet`, `training.json` and `validation.parquet`, predictions of
    rows that the model was not fitted on.

    Raises:
        RequestError: settings that do not fit together, or a model of another shape.
        Diverged: the loss is not a finite number.
        Unsuitable: the kind cannot be fitted to the data.
    """
    data = dataset.read(preprocess)
    history = TrainingHistory()
    if isinstance(model, ClosedForm):
        network, rows, predicted = closed_form.fit(model, data)
    else:
        splits = _splits(data, train.folds)
        networks = []
        for number, (fitted, left_out) in enumerate(splits):
            own = arguments if len(splits) == 1 else _of_fold(arguments, number)
            one, history = train_network(model, files, _with_parts(data, fitted, left_out), train, own)
            networks.append(one)
        network = average([(one, 1 / len(networks)) for one in networks], data.layout)
        rows = np.concatenate([left_out for _, left_out in splits])
        predicted = np.concatenate(
            [predict_target(one, data.inputs[left_out]) for one, (_, left_out) in zip(networks, splits, strict=True)]
        )
    held_out.write(rows, predicted, out)
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


def _splits(data: Prepared, count: int) -> list[tuple[Positions, Positions]]:
    """Return the rows to fit each network on and those that choose its epoch: one pair, or one for each fold."""
    if count > 1 and len(rows_to_learn_from(data)) < FEW_ROWS:
        return list(folds(data, count))
    return [(np.flatnonzero(data.parts == "train"), np.flatnonzero(data.parts == "validation"))]


def _with_parts(data: Prepared, fitted: Positions, left_out: Positions) -> Prepared:
    parts = data.parts.astype("<U10")
    parts[fitted], parts[left_out] = "train", "validation"
    return replace(data, parts=parts)


def _of_fold(arguments: FitArguments, number: int) -> FitArguments:
    """Return the arguments of the training of one fold, with folders of its own."""
    scratch, logs = (folder / f"fold_{number}" for folder in (arguments["scratch"], arguments["logs"]))
    return {"scratch": scratch, "logs": logs, "on_epoch": arguments["on_epoch"]}

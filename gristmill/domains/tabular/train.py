"""Train: fit a network on encoded rows; write it with its encoding, from raw values to raw predictions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Unpack

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import encode, wrap_network
from gristmill.domains.tabular.settings import Train
from gristmill.training.feed import GatheredFeed
from gristmill.training.fit import Batch, FitArguments, fit
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

    Writes the network (`saved_network.py`), `epochs.parquet` and `training.json`.

    Raises:
        RequestError: settings that do not fit together, or a model of another shape.
        Diverged: the loss is not a finite number.
    """
    data = dataset.read(preprocess)
    positions = {part: np.flatnonzero(data.parts == part) for part in ("train", "validation")}
    core = seeded(lambda: build(model, files, data.layout.features), train.seed)
    gather = gather_from(data)
    feed = GatheredFeed(tf.constant(positions["train"], tf.int64), gather, train)
    validation = None
    if len(positions["validation"]):
        validation = tf.data.Dataset.from_tensor_slices(gather(positions["validation"])).batch(1024)
    history = fit(core, feed, validation, train, train.loss, **arguments)
    return write_trained(wrap_network(core, data.layout), history, out)


def build(model: Model, files: Sequence[Path], features: int) -> keras.Model:
    """Return the model's network, from encoded rows to standardised targets."""
    network = build_network(model, files, features)
    return check_network_shape(network, "row", [(features,)], [(1,)], output_name="a standardised target")


def gather_from(data: Prepared) -> Callable[[tf.Tensor], Batch]:
    """Return a function from positions, (batch,), to (batch, features) and standardised targets (batch, 1)."""
    target = data.layout.target
    features = tf.constant(encode(data.inputs, data.layout))
    scaled = (data.truth - data.layout.mean[target]) / data.layout.deviation[target]
    targets = tf.constant(scaled[:, np.newaxis], tf.float32)
    return lambda positions: (tf.gather(features, positions), tf.gather(targets, positions))

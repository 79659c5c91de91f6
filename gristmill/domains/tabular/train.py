"""Train: fit a network on encoded rows; write it with its encoding, from raw values to raw predictions."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import encode, wrap_network
from gristmill.domains.tabular.settings import Train
from gristmill.settings.custom_code import CustomCode
from gristmill.training.feed import GatheredFeed
from gristmill.training.fit import Batch, OnEpoch, fit
from gristmill.training.outputs import check_network_shape, write_trained
from gristmill.training.seeds import seeded


class Model(Protocol):
    """Settings that build a network."""

    def build(self, features: int) -> keras.Model: ...


def train(
    *,
    model: Model | CustomCode,
    train: Train,
    preprocess: Path,
    out: Path,
    scratch: Path,
    logs: Path,
    on_epoch: OnEpoch,
    files: Sequence[Path] = (),
) -> dict[str, int]:
    """Fit the model on the training rows; with `patience`, choose the epoch on the validation rows.

    Writes the network (`saved_network.py`), `epochs.parquet` and `training.json`; checkpoints to `scratch`, and
    TensorBoard's logs to `logs`.

    Raises:
        RequestError: settings that do not fit together, or a model of another shape.
        Diverged: the loss is not a finite number.
    """
    data = dataset.read(preprocess)
    positions = {part: np.flatnonzero(data.parts == part) for part in ("train", "validation")}
    build, features = model.load(files) if isinstance(model, CustomCode) else model.build, data.layout.features

    def checked() -> keras.Model:
        network = build(features)
        check_network_shape(network, "row", [(features,)], (1,), outputs="a standardised target")
        return network

    core = seeded(checked, train.seed)
    gather = gather_from(data)
    feed = GatheredFeed(tf.constant(positions["train"], tf.int64), gather, train)
    validation = None
    if len(positions["validation"]):
        validation = tf.data.Dataset.from_tensor_slices(gather(positions["validation"])).batch(1024)
    course = fit(core, feed, validation, train, train.loss, scratch, on_epoch, logs)
    write_trained(wrap_network(core, data.layout), course, out)
    return {"parameters": core.count_params(), "epochs": len(course.losses)}


def gather_from(data: Prepared) -> Callable[[tf.Tensor], Batch]:
    """Return a function from positions, (batch,), to (batch, features) and standardised targets (batch, 1)."""
    target = data.layout.target
    features = tf.constant(encode(data.inputs, data.layout))
    scaled = (data.truth - data.layout.mean[target]) / data.layout.deviation[target]
    targets = tf.constant(scaled[:, np.newaxis], tf.float32)
    return lambda positions: (tf.gather(features, positions), tf.gather(targets, positions))

"""Train: a network on encoded rows, published as one that takes and gives raw values."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import around, encoded
from gristmill.domains.tabular.settings import Train
from gristmill.errors import RequestError
from gristmill.settings.custom_code import CustomCode
from gristmill.training.feed import GatheredFeed
from gristmill.training.fit import Batch, OnEpoch, fit
from gristmill.training.outputs import write_trained
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
    """Fit the model on the training rows; choose the epoch on the validation rows where `patience` is set.

    Writes the network from raw rows to raw predictions (`network.py`), `epochs.parquet` and `training.json`.

    Args:
        model: settings of the model.
        train: settings of the training.
        preprocess: folder of the prepared rows.
        out: folder to write to.
        scratch: folder of the checkpoints.
        logs: folder of TensorBoard's logs.
        on_epoch: called after each epoch.
        files: of the user's own model, its file first.

    Raises:
        RequestError: settings that do not go together.
        Diverged: the loss is not a finite number.
    """
    data = dataset.read(preprocess)
    positions = {part: np.flatnonzero(data.parts == part) for part in ("train", "validation")}
    build = model.load(files) if isinstance(model, CustomCode) else model.build
    core = seeded(lambda: fitting(build, data.layout.features), train.seed)
    gather = gatherer(data)
    feed = GatheredFeed(tf.constant(positions["train"], tf.int64), gather, train)
    validation = None
    if len(positions["validation"]):
        validation = tf.data.Dataset.from_tensor_slices(gather(positions["validation"])).batch(1024)
    course = fit(core, feed, validation, train, train.loss, scratch, on_epoch, logs)
    write_trained(around(core, data.layout), course, out)
    return {"parameters": core.count_params(), "epochs": len(course.losses)}


def fitting(build: Callable[[int], keras.Model], features: int) -> keras.Model:
    """Build a network and refuse one that does not take and give what it is asked to."""
    network = build(features)
    taken, given = tuple(network.input_shape[1:]), tuple(network.output_shape[1:])
    if taken != (features,) or given != (1,):
        raise RequestError(
            f"the model's network takes {taken} and gives {given} for each row; expected it to take ({features},) and "
            "give (1,). Build it for the number of features it is given."
        )
    return network


def gatherer(data: Prepared) -> Callable[[tf.Tensor], Batch]:
    """Return a function from positions of rows, (batch,), to (batch, features) and standardised targets (batch, 1)."""
    target = data.layout.target
    features = tf.constant(encoded(data.inputs, data.layout))
    scaled = (data.truth - data.layout.mean[target]) / data.layout.deviation[target]
    targets = tf.constant(scaled[:, np.newaxis], tf.float32)
    return lambda positions: (tf.gather(features, positions), tf.gather(targets, positions))

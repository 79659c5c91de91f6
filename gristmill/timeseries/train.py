"""Train: a network on standardised windows, published as one that takes and gives raw values."""

from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import keras
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from gristmill import network as networks
from gristmill.errors import RequestError
from gristmill.fit import Course, OnEpoch, fit, seeded, shuffled
from gristmill.tables import write_document, write_table
from gristmill.timeseries import prepared
from gristmill.timeseries.prepared import Layout, Prepared
from gristmill.timeseries.settings import Train
from gristmill.timeseries.windows import history_index, target_index


class Model(Protocol):
    """Settings that can build their network."""

    def build(self, history: int, horizon: int) -> keras.Model: ...


@runtime_checkable
class ClosedForm(Protocol):
    """A model that is solved for, not trained by gradients."""

    def solve(self, network: keras.Model, histories: npt.NDArray[Any], targets: npt.NDArray[Any]) -> None: ...


def train(
    *, model: Model, train: Train, preprocess: Path, out: Path, scratch: Path, on_epoch: OnEpoch
) -> dict[str, int]:
    """Fit the model on the training windows; choose the epoch on the validation windows where `patience` is set.

    Writes the network from raw history to raw forecast (`network.py`), `epochs.parquet` and `training.json`.

    Args:
        model: settings of the model.
        train: settings of the training.
        preprocess: folder of the prepared series.
        out: folder to write to.
        scratch: folder of the checkpoints.
        on_epoch: called after each epoch.

    Raises:
        RequestError: patience without a validation part.
        Diverged: the loss is not a finite number.
    """
    data = prepared.read(preprocess)
    if train.patience is not None and not len(data.origins("validation")):
        raise RequestError(
            "train.patience stops on the validation part, but preprocess.validation is 0. "
            "Set a part, or leave patience out."
        )
    network = seeded(lambda: model.build(data.layout.history, data.layout.horizon), train.seed)
    if isinstance(model, ClosedForm):
        model.solve(network, scaled(data.histories("train"), data.layout), scaled(data.targets("train"), data.layout))
        course = Course()
    else:
        batches = WindowBatches(data, train)
        course = fit(network, batches.stream, batches.steps, batches.validation(), train, train.loss, scratch, on_epoch)
    networks.write(around(network, data.layout), out)
    write_course(course, out)
    return {"parameters": network.count_params()} | ({"epochs": len(course.losses)} if course.losses else {})


def around(network: keras.Model, layout: Layout) -> keras.Model:
    """Return the network with its scaling inside: (batch, history) to (batch, horizon), both in raw units."""
    return keras.Sequential(
        [
            keras.Input((layout.history,), name="history"),
            keras.layers.Rescaling(1 / layout.deviation, -layout.mean / layout.deviation, name="standardise"),
            network,
            keras.layers.Rescaling(layout.deviation, layout.mean, name="restore"),
        ],
        name="forecaster",
    )


def scaled(values: Any, layout: Layout) -> Any:
    """Return values in deviations from the training part's mean."""
    return (values - layout.mean) / layout.deviation


class WindowBatches:
    """Batches of standardised windows, gathered by index from the series, so that windows take no memory."""

    def __init__(self, data: Prepared, settings: Train) -> None:
        self._data = data
        self._settings = settings
        self._values = tf.constant(scaled(data.values, data.layout), tf.float32)
        self._origins = tf.constant(data.origins("train"), tf.int64)
        self.steps = -(-len(self._origins) // settings.batch_size)

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return the batches of all epochs from `first_epoch` (counted from 0) on, each epoch in its own order."""
        epochs = tf.data.Dataset.range(first_epoch, self._settings.epochs)
        return epochs.flat_map(self._epoch).prefetch(tf.data.AUTOTUNE)

    def validation(self) -> tf.data.Dataset | None:
        """Return the validation windows in large batches, or None where there are none."""
        origins = self._data.origins("validation")
        return (
            tf.data.Dataset.from_tensor_slices(origins).batch(1024).map(self._gather).cache() if len(origins) else None
        )

    def _epoch(self, epoch: tf.Tensor) -> tf.data.Dataset:
        order = shuffled(self._origins, self._settings.seed, epoch)
        return tf.data.Dataset.from_tensor_slices(order).batch(self._settings.batch_size).map(self._gather)

    def _gather(self, origins: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return (batch, history) and (batch, horizon) of windows by their origins."""
        history = history_index(origins, self._data.layout.history)
        target = target_index(origins, self._data.layout.horizon)
        return tf.gather(self._values, history), tf.gather(self._values, target)


def write_course(course: Course, out: Path) -> None:
    """Write losses by epoch and how training ended."""
    columns = {"epoch": range(1, len(course.losses) + 1), "loss": course.losses}
    if course.val_losses:
        columns["val_loss"] = course.val_losses
    write_table(out / "epochs.parquet", pd.DataFrame(columns))
    write_document(
        out / "training.json",
        {"best_epoch": course.best_epoch, "epochs": len(course.losses), "stopped_early": course.stopped},
    )

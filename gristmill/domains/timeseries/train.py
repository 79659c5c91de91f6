"""Train: fit a network on standardised windows, and write it as a network of raw values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import keras
import tensorflow as tf
from keras import ops

from gristmill.domains.timeseries.data import dataset
from gristmill.domains.timeseries.data.dataset import Layout, Prepared
from gristmill.domains.timeseries.data.view import check_complete, view
from gristmill.domains.timeseries.data.windows import history_index, sequence_index, target_index
from gristmill.domains.timeseries.fits.normalisation import in_raw_units, scaled, standardised
from gristmill.domains.timeseries.forecasts import VALIDATION, by_network, write_forecast
from gristmill.domains.timeseries.models import Shape
from gristmill.domains.timeseries.settings import Train
from gristmill.errors import RequestError
from gristmill.training.feed import GatheredFeed
from gristmill.training.fit import Batch, FitArguments, OnEpoch, fit
from gristmill.training.history import TrainingHistory
from gristmill.training.seeds import seeded
from gristmill.training.train_steps import ClosedForm, Model, build_network, check_network_shape, write_trained

AnyModel = Model | ClosedForm

_MAX_CACHED_BYTES = 256 << 20  # larger validation sets are gathered again in every epoch


def train(
    *,
    model: AnyModel,
    train: Train,
    preprocess: Path,
    out: Path,
    files: Sequence[Path] = (),
    **arguments: Unpack[FitArguments],
) -> dict[str, int]:
    """Fit the model on the training windows; with `patience` choose the epoch on the validation windows.

    Writes the network from raw windows to raw forecasts, `epochs.parquet` and `training.json`. A model in closed form
    is fitted once more, on the validation windows too, after its forecasts of these are written to
    `validation.parquet`.

    Raises:
        RequestError: the settings contradict each other.
        Diverged: the loss is not a finite number.
    """
    data = dataset.read(preprocess)
    network, history = fit_forecaster(model, train, data, files=files, **arguments)
    starts = data.origins("validation")
    if isinstance(model, ClosedForm) and len(starts):
        write_forecast(by_network(network, data.seen_by(network), starts), out / VALIDATION)
        network, _ = fit_forecaster(model, train, data.known_before("test"), **arguments)
    return write_trained(network, history, out, quantiles=list(train.quantiles) if train.loss == "quantile" else None)


def fit_forecaster(
    model: AnyModel,
    settings: Train,
    data: Prepared,
    scratch: Path,
    logs: Path,
    on_epoch: OnEpoch,
    until: int | None = None,
    files: Sequence[Path] = (),
) -> tuple[keras.Model, TrainingHistory]:
    """Train a model on the training windows; return its network in raw units, and the history of training.

    With `until` training ends after that epoch. The other arguments and errors are those of `train`.
    """
    # A model in closed form fits itself.
    data = view(model, data)
    check_compatible(model, settings, data)
    if isinstance(model, ClosedForm):
        keras.backend.clear_session()  # names of layers must not depend on other work of this process
        return model.fit(data), TrainingHistory()
    check_complete(data)

    # Build the network with normalisation, train it, and wrap it in raw units.
    core = seeded(lambda: build(model, files, settings, data.layout), settings.seed)
    sequence = settings.targets == "sequence"
    network = standardised(core, data.layout, _levels(settings), sequence)
    feed = WindowFeed(data, settings)
    loss = pinball(settings.quantiles) if settings.loss == "quantile" else settings.loss
    history = fit(network, feed, feed.validation(), settings, loss, scratch, on_epoch, logs, until)
    return in_raw_units(network, data.layout, sequence, getattr(model, "history", None)), history


def build(model: Model, files: Sequence[Path], settings: Train, layout: Layout) -> keras.Model:
    """Return the network of the model itself, (batch, history, columns) to (batch, [history,] outputs)."""
    shape = Shape.of(layout, _levels(settings), settings.targets == "sequence")
    steps = (None, shape.history)
    inputs = [(step, shape.columns) for step in steps]
    outputs = [(step, shape.outputs) for step in steps] if shape.sequence else [(shape.outputs,)]
    network = build_network(model, files, shape)
    return check_network_shape(network, "window", inputs, outputs, output_name="standardised values")


def _levels(settings: Train) -> int:
    """Return the number of values forecast for each target."""
    return len(settings.quantiles) if settings.loss == "quantile" else 1


def pinball(quantiles: tuple[float, ...]) -> Any:
    """Return the loss that is minimal at these quantiles (Koenker & Bassett, "Regression Quantiles", 1978)."""

    def quantile_loss(truth: Any, forecast: Any) -> Any:
        by_level = ops.reshape(forecast, (-1, *truth.shape[1:], len(quantiles)))
        error = truth[..., None] - by_level
        levels = ops.convert_to_tensor(quantiles, dtype=error.dtype)
        return ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=-1)

    return quantile_loss


def check_compatible(model: AnyModel, settings: Train, data: Prepared) -> None:
    """Raise an error for settings that contradict each other."""
    if settings.targets == "sequence" and data.layout.normalise != "none":
        raise RequestError(
            f"preprocess.normalise = {data.layout.normalise!r} shows each step of a window the values that "
            "train.targets = 'sequence' asks it to forecast. Set one of them to its default."
        )
    if isinstance(model, ClosedForm) and (settings.loss == "quantile" or settings.targets == "sequence"):
        raise RequestError(
            "a model in closed form minimises squared errors after the last step: it supports neither "
            "train.loss = 'quantile' nor train.targets = 'sequence'. Choose another model."
        )


class WindowFeed(GatheredFeed):
    """Batches of windows, (batch, history, columns), and targets, (batch, horizon, targets).

    With `targets = "sequence"` targets are (batch, history, horizon, targets).
    """

    def __init__(self, data: Prepared, settings: Train) -> None:
        self._data = data
        self._targets = settings.targets
        self._values = tf.constant(scaled(data.values, data.layout), tf.float32)
        super().__init__(tf.constant(data.complete_origins("train"), tf.int64), self._windows, settings)

    def validation(self) -> tf.data.Dataset | None:
        """Return the validation windows in large batches, or None if there are none."""
        origins = self._data.complete_origins("validation")
        if not len(origins):
            return None
        batches = tf.data.Dataset.from_tensor_slices(origins).batch(1024).map(self._windows)
        layout = self._data.layout
        steps = layout.history * layout.horizon if self._targets == "sequence" else layout.horizon
        size = 4 * len(origins) * (layout.history * len(layout.mean) + steps * len(layout.targets))
        return batches.cache() if size < _MAX_CACHED_BYTES else batches

    def _windows(self, origins: tf.Tensor) -> Batch:
        """Return the windows and targets of origins (…,)."""
        layout = self._data.layout
        if self._targets == "sequence":
            ahead = sequence_index(origins, layout.history, layout.horizon)
        else:
            ahead = target_index(origins, layout.horizon)
        targets = tf.gather(self._values[:, : len(layout.targets)], ahead)
        return tf.gather(self._values, history_index(origins, layout.history)), targets

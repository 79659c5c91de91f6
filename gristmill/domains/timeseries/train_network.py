"""Build, train and wrap the network of a model."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.timeseries.dataset import Layout, Prepared
from gristmill.domains.timeseries.feed import WindowFeed, scaled
from gristmill.domains.timeseries.model_shape import Shape
from gristmill.domains.timeseries.normalisation import around, normalised, offset
from gristmill.domains.timeseries.settings import Train
from gristmill.errors import RequestError
from gristmill.training.fit import OnEpoch, fit
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import Model, build_network, check_network_shape
from gristmill.training.saved_network import warm_start
from gristmill.training.seeds import seeded

Blocks = Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]

_WINDOWS_PER_BLOCK = 16_384  # bounds the memory of a model in closed form


@runtime_checkable
class ClosedForm(Protocol):
    """Model that is solved in closed form, not trained by gradients."""

    def solve(self, network: keras.Model, blocks: Blocks) -> None: ...


def fit_forecaster(
    model: Model,
    settings: Train,
    data: Prepared,
    scratch: Path,
    logs: Path,
    on_epoch: OnEpoch,
    until: int | None = None,
    start: Path | None = None,
    files: Sequence[Path] = (),
) -> tuple[keras.Model, TrainingHistory]:
    """Train a model on the training windows; return its network in raw units, and the history of training.

    With `until` training ends after that epoch. The other arguments and errors are those of `train`.
    """
    check_compatible(model, settings, data)
    core = seeded(lambda: build(model, files, settings, data.layout), settings.seed)
    network = standardised(core, settings, data.layout)
    if isinstance(model, ClosedForm):
        model.solve(core, blocks(data))
        history = TrainingHistory()
    else:
        if start:
            warm_start(network, start)
        feed = WindowFeed(data, settings)
        loss = pinball(settings.quantiles) if settings.loss == "quantile" else settings.loss
        history = fit(network, feed, feed.validation(), settings, loss, scratch, on_epoch, logs, until)
    return around(network, data.layout, settings.targets == "sequence"), history


def build(model: Model, files: Sequence[Path], settings: Train, layout: Layout) -> keras.Model:
    """Return the network of the model itself, (batch, history, columns) to (batch, [history,] outputs)."""
    shape = Shape(
        history=layout.history,
        horizon=layout.horizon,
        channels=layout.channels,
        known=len(layout.known),
        outputs=layout.horizon * len(layout.targets) * _levels(settings),
        sequence=settings.targets == "sequence",
    )
    steps = (None, shape.history)
    outputs = [(step, shape.outputs) for step in steps] if shape.sequence else [(shape.outputs,)]
    network = build_network(model, files, shape)
    return check_network_shape(
        network, "window", [(step, shape.columns) for step in steps], outputs, output_name="standardised values"
    )


def standardised(core: keras.Model, settings: Train, layout: Layout) -> keras.Model:
    """Return the model's network with normalisation, from standardised windows to standardised forecasts.

    The input is (batch, history, columns), the output (batch, horizon, outputs), or (batch, history, horizon, outputs)
    for sequences; outputs are targets, or targets x quantiles.
    """
    targets, levels = len(layout.targets), _levels(settings)
    window = keras.Input(core.input_shape[1:])
    forecast = core(normalised(window, layout))
    if settings.targets == "sequence":
        steps = keras.layers.Reshape((-1, layout.horizon, targets * levels))(forecast)
        shift = window[:, :, None, :targets]
        return keras.Model(window, steps + ops.repeat(shift, levels, axis=-1) if layout.residual else steps)
    steps = keras.layers.Reshape((layout.horizon, targets * levels))(forecast)
    shift, scale = (ops.repeat(value, levels, axis=-1) for value in offset(window, layout))
    # The order matters: Keras adds a second summand (batch, 1, 1) as a bias along the steps if batch = horizon.
    return keras.Model(window, shift + steps * scale)


def _levels(settings: Train) -> int:
    """Return the number of values forecast for each target."""
    return len(settings.quantiles) if settings.loss == "quantile" else 1


def blocks(data: Prepared) -> Blocks:
    """Yield the training windows for a closed form, (windows, history, columns) and (windows, outputs)."""
    starts, layout = data.origins("train"), data.layout
    for begin in range(0, len(starts), _WINDOWS_PER_BLOCK):
        chosen = starts[begin : begin + _WINDOWS_PER_BLOCK]
        window = scaled(data.histories(chosen), layout)
        shift, scale = offset(ops.convert_to_tensor(window), layout)
        target = scaled(data.targets(chosen), layout, targets_only=True)
        target = (target - np.asarray(shift)) / np.asarray(scale)
        yield np.asarray(normalised(ops.convert_to_tensor(window), layout)), target.reshape(len(target), -1)


def pinball(quantiles: tuple[float, ...]) -> Any:
    """Return the loss that is minimal at these quantiles (Koenker & Bassett, "Regression Quantiles", 1978)."""

    def quantile_loss(truth: Any, forecast: Any) -> Any:
        by_level = ops.reshape(forecast, (-1, *truth.shape[1:], len(quantiles)))
        error = truth[..., None] - by_level
        levels = ops.convert_to_tensor(quantiles, dtype=error.dtype)
        return ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=-1)

    return quantile_loss


def check_compatible(model: Model, settings: Train, data: Prepared) -> None:
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

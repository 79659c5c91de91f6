"""A model's network, wrapped to take and give standardised values, trained, and published in raw units."""

from collections.abc import Callable, Iterator, Sequence
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
from gristmill.settings.custom_code import CustomCode
from gristmill.training.fit import OnEpoch, fit
from gristmill.training.history import TrainingHistory
from gristmill.training.saved_network import warm_start
from gristmill.training.seeds import seeded

Blocks = Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]

_BLOCK = 16_384  # windows that a model in closed form is shown at a time


class Model(Protocol):
    """Settings that can build their network."""

    def build(self, shape: Shape) -> keras.Model: ...


class OwnModel:
    """A user's function from the shape to a network."""

    def __init__(self, kind: str, build: Callable[[Shape], Any]) -> None:
        self._kind = kind
        self._build = build

    def build(self, shape: Shape) -> keras.Model:
        made = self._build(shape)
        if not isinstance(made, keras.Model):
            raise RequestError(
                f"{self._kind} returned a {type(made).__name__}. Expected a keras.Model: return one from it."
            )
        return made


@runtime_checkable
class ClosedForm(Protocol):
    """A model that is solved for, not trained by gradients."""

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
) -> tuple[keras.Model, TrainingHistory]:
    """Train a model on the training windows and return its network, raw values in and out, and how it went.

    Args:
        model: settings that build the network.
        settings: how to train it; with `patience` the validation windows choose the epoch.
        data: series with their parts.
        scratch: folder of the checkpoints.
        logs: folder of TensorBoard's logs.
        on_epoch: called after each epoch.
        until: epoch to stop after, where a recipe that was judged is repeated.
        start: folder of a network whose weights training begins from.

    Raises:
        RequestError: settings that do not go together.
        Diverged: the loss is not a finite number.
    """
    refuse_contradictions(model, settings, data)
    core = seeded(lambda: build(model, settings, data.layout), settings.seed)
    network = standardised(core, settings, data.layout)
    if isinstance(model, ClosedForm):
        model.solve(core, blocks(data))
        course = TrainingHistory()
    else:
        if start:
            warm_start(network, start)
        feed = WindowFeed(data, settings)
        loss = pinball(settings.quantiles) if settings.loss == "quantile" else settings.loss
        course = fit(network, feed, feed.validation(), settings, loss, scratch, on_epoch, logs, until)
    return around(network, data.layout, settings.targets == "sequence"), course


def buildable(model: Model | CustomCode, files: Sequence[Path]) -> Model:
    """Return the model, a user's own one with its function loaded from the located files."""
    return OwnModel(model.kind, model.load(files)) if isinstance(model, CustomCode) else model


def build(model: Model, settings: Train, layout: Layout) -> keras.Model:
    """Return the model's own network: (batch, history, columns) to (batch, outputs), or (batch, history, outputs)."""
    shape = Shape(
        history=layout.history,
        horizon=layout.horizon,
        channels=layout.channels,
        known=len(layout.known),
        outputs=layout.horizon * len(layout.targets) * _levels(settings),
        sequence=settings.targets == "sequence",
    )
    network = model.build(shape)
    refuse_misshapen(network, shape)
    return network


def standardised(core: keras.Model, settings: Train, layout: Layout) -> keras.Model:
    """Return the model's own network as one from standardised windows to standardised forecasts.

    It takes (batch, history, columns) and gives (batch, horizon, outputs), or (batch, history, horizon, outputs) where
    it learns sequences; outputs are targets, or targets x quantiles.
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
    # In this order: a second summand (batch, 1, 1) is a bias to Keras if batch = horizon, and added along the steps.
    return keras.Model(window, shift + steps * scale)


def _levels(settings: Train) -> int:
    """Return how many values are forecast of each target."""
    return len(settings.quantiles) if settings.loss == "quantile" else 1


def blocks(data: Prepared) -> Blocks:
    """Yield the training windows for a closed form: (windows, history, columns) and (windows, outputs)."""
    starts, layout = data.origins("train"), data.layout
    for begin in range(0, len(starts), _BLOCK):
        chosen = starts[begin : begin + _BLOCK]
        window = scaled(data.histories(chosen), layout)
        shift, scale = offset(ops.convert_to_tensor(window), layout)
        target = scaled(data.targets(chosen), layout, targets_only=True)
        target = (target - np.asarray(shift)) / np.asarray(scale)
        yield np.asarray(normalised(ops.convert_to_tensor(window), layout)), target.reshape(len(target), -1)


def pinball(quantiles: tuple[float, ...]) -> Any:
    """Return the loss whose minimum are these quantiles (Koenker & Bassett, "Regression Quantiles", 1978)."""

    def quantile_loss(truth: Any, forecast: Any) -> Any:
        by_level = ops.reshape(forecast, (-1, *truth.shape[1:], len(quantiles)))
        error = truth[..., None] - by_level
        levels = ops.convert_to_tensor(quantiles, dtype=error.dtype)
        return ops.mean(ops.maximum(levels * error, (levels - 1) * error), axis=-1)

    return quantile_loss


def refuse_contradictions(model: Model, settings: Train, data: Prepared) -> None:
    """Refuse settings that do not go together."""
    if settings.targets == "sequence" and data.layout.normalise != "none":
        raise RequestError(
            f"preprocess.normalise = {data.layout.normalise!r} shows each step of a window what comes after it, which "
            "train.targets = 'sequence' asks it to forecast. Set one of them to its default."
        )
    if isinstance(model, ClosedForm) and (settings.loss == "quantile" or settings.targets == "sequence"):
        raise RequestError(
            "a model in closed form minimises squared errors after the last step: it takes neither "
            "train.loss = 'quantile' nor train.targets = 'sequence'. Choose another model."
        )


def refuse_misshapen(network: keras.Model, shape: Shape) -> None:
    """Refuse a network that does not take and give what it is asked to."""
    taken, given = tuple(network.input_shape[1:]), tuple(network.output_shape[1:])
    steps = (None, shape.history)
    fits = len(taken) == 2 and taken[0] in steps and taken[1] == shape.columns
    wanted = [(step, shape.outputs) for step in steps] if shape.sequence else [(shape.outputs,)]
    if not fits or given not in wanted:
        raise RequestError(
            f"the model's network takes {taken} and gives {given} for each window; expected it to take "
            f"({shape.history} or None, {shape.columns}) and give {wanted[-1]}. Build it to the shape it is given."
        )

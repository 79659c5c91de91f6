"""Standardisation of a network's input and output, and normalisation of each window.

Normalisation removes the level of each window and adds it back to the forecast. So windows of a series that drifts, or
of many series with different levels, look alike to the network. `last` subtracts the last value, `mean` the mean;
`reversible` subtracts the mean and divides by the standard deviation, as in Kim et al., "Reversible Instance
Normalization for Accurate Time-Series Forecasting against Distribution Shift", ICLR 2022, without their learned map.
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.domains.timeseries.data.dataset import Layout, Prepared
from gristmill.domains.timeseries.data.windows import Origins
from gristmill.domains.timeseries.fits.window_graph import filled

Array = npt.NDArray[np.float64]

_MIN_SCALE = 1e-3  # added to the deviation of a window, in deviations of the training set


def window_statistics(window: Any, layout: Layout) -> tuple[Any, Any]:
    """Return shift and scale of the channels of standardised windows, (batch, 1, channels) each."""
    values = window[:, :, : layout.channels]
    shift = values[:, -1:, :] if layout.normalise == "last" else ops.mean(values, axis=1, keepdims=True)
    if layout.normalise != "reversible":
        return shift, ops.ones_like(shift)
    return shift, ops.std(values, axis=1, keepdims=True) + _MIN_SCALE


def normalised(window: Any, layout: Layout) -> Any:
    """Return windows with normalised channels, (batch, history, columns)."""
    if layout.normalise == "none":
        return window
    shift, scale = window_statistics(window, layout)
    values = (window[:, :, : layout.channels] - shift) / scale
    return ops.concatenate([values, window[:, :, layout.channels :]], axis=-1) if layout.known else values


def offset(window: Any, layout: Layout) -> tuple[Any, Any]:
    """Return shift and scale of the forecasts, (batch, 1, targets) each."""
    last = window[:, -1:, : len(layout.targets)]
    if layout.normalise == "none":
        return last if layout.residual else ops.zeros_like(last), ops.ones_like(last)
    shift, scale = (values[:, :, : len(layout.targets)] for values in window_statistics(window, layout))
    return last if layout.residual else shift, scale


def normalised_targets(data: Prepared, window: Any, starts: Origins) -> tuple[Array, Array]:
    """Return the normalised targets of standardised windows, and their scale, (windows, horizon x targets) each."""
    shift, scale = (np.asarray(value) for value in offset(window, data.layout))
    targets = (scaled(data.targets(starts), data.layout, targets_only=True) - shift) / scale
    flat = (array.reshape(len(starts), -1) for array in (targets, np.broadcast_to(scale, targets.shape)))
    targets, scale = (array.astype(np.float64) for array in flat)
    return targets, scale


def standardised(core: keras.Model, layout: Layout, levels: int = 1, sequence: bool = False) -> keras.Model:
    """Return a model's own network with normalisation, from standardised windows to standardised forecasts.

    The input is (batch, history, columns), the output (batch, horizon, outputs), or (batch, history, horizon, outputs)
    for sequences; outputs are targets, or targets x levels of quantiles.
    """
    targets = len(layout.targets)
    window = keras.Input(core.input_shape[1:])
    forecast = core(normalised(window, layout))
    if sequence:
        steps = keras.layers.Reshape((-1, layout.horizon, targets * levels))(forecast)
        shift = window[:, :, None, :targets]
        return keras.Model(window, steps + ops.repeat(shift, levels, axis=-1) if layout.residual else steps)
    steps = keras.layers.Reshape((layout.horizon, targets * levels))(forecast)
    shift, scale = (ops.repeat(value, levels, axis=-1) for value in offset(window, layout))
    # The order matters: Keras adds a second summand (batch, 1, 1) as a bias along the steps if batch = horizon.
    return keras.Model(window, shift + steps * scale)


def scaled(values: Any, layout: Layout, targets_only: bool = False) -> Any:
    """Return standardised values, (…, columns)."""
    count = len(layout.targets) if targets_only else len(layout.mean)
    return ((values - layout.mean[:count]) / layout.deviation[:count]).astype("float32")


def standardise(layout: Layout) -> keras.layers.Rescaling:
    """Return the layer from raw to standardised windows."""
    scale = [1 / value for value in layout.deviation]
    offsets = [-centre / value for centre, value in zip(layout.mean, layout.deviation, strict=True)]
    return keras.layers.Rescaling(scale, offsets, name="standardise")


def in_raw_units(
    network: keras.Model, layout: Layout, sequence: bool = False, history: int | None = None
) -> keras.Model:
    """Return a network in raw units with the scaling inside, (batch, history, columns) to (batch, horizon, outputs).

    A `history` fixes the length of the windows for a network that accepts any. Windows may begin with NaN, where a
    series is shorter, if the pipeline forecasts such series; then the length is fixed, too. If the network forecasts
    after each step, the last forecast is used. Quantiles are sorted, because they may cross
    (Chernozhukov, Fernández-Val & Galichon, "Quantile and Probability Curves Without Crossing", Econometrica 78(3),
    2010).
    """
    # Fill what a short series does not have, standardise, and forecast.
    targets = len(layout.targets)
    shorter = layout.past is not None and (history or layout.history) > layout.past
    history = history or network.input_shape[1] or (layout.history if shorter else None)
    window = keras.Input((history, network.input_shape[2]), name="history")
    values = filled(window, layout.season or 1)[0] if shorter else window
    forecast = network(standardise(layout)(values))
    if sequence:
        forecast = forecast[:, -1]

    # Sort the quantiles, and restore the units.
    horizon, outputs = forecast.shape[1:]
    if (repeats := outputs // targets) > 1:
        levels = keras.layers.Reshape((horizon, targets, repeats))(forecast)
        forecast = keras.layers.Reshape((horizon, outputs))(ops.sort(levels, axis=-1))
    scale, offsets = (np.repeat(values[:targets], repeats).tolist() for values in (layout.deviation, layout.mean))
    restore = keras.layers.Rescaling(scale, offsets, name="restore")
    return keras.Model(window, restore(forecast), name="forecaster")

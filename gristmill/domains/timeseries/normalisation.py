"""What a network is wrapped in: standardised values in and out, each window shifted as the settings ask.

Per-window normalisation takes the level out of every window and puts it back into its forecast, so that the windows of
a series that drifts, or of many series of different levels, look alike to the network. `last` shifts by the last value,
`mean` by the mean; `reversible` shifts by the mean and divides by the deviation, as Kim et al., "Reversible Instance
Normalization for Accurate Time-Series Forecasting against Distribution Shift", ICLR 2022 (without their learned map).
"""

from typing import Any

import keras
from keras import ops

from gristmill.domains.timeseries.dataset import Layout

_LEAST = 1e-3  # deviations of the training part: what a flat window is divided by


def window_statistics(window: Any, layout: Layout) -> tuple[Any, Any]:
    """Return shift and scale of each window's channels: (batch, 1, channels) each.

    Args:
        window: standardised values (batch, history, columns), symbolic or arrays.
        layout: says which normalisation.
    """
    values = window[:, :, : layout.channels]
    shift = values[:, -1:, :] if layout.normalise == "last" else ops.mean(values, axis=1, keepdims=True)
    if layout.normalise != "reversible":
        return shift, ops.ones_like(shift)
    return shift, ops.std(values, axis=1, keepdims=True) + _LEAST


def normalised(window: Any, layout: Layout) -> Any:
    """Return windows with their channels shifted and scaled: (batch, history, columns)."""
    if layout.normalise == "none":
        return window
    shift, scale = window_statistics(window, layout)
    values = (window[:, :, : layout.channels] - shift) / scale
    return ops.concatenate([values, window[:, :, layout.channels :]], axis=-1) if layout.known else values


def offset(window: Any, layout: Layout) -> tuple[Any, Any]:
    """Return what a forecast is shifted by and scaled with: (batch, 1, targets) each."""
    count = len(layout.targets)
    if layout.residual:
        shift = window[:, -1:, :count]
        scale = (
            window_statistics(window, layout)[1][:, :, :count] if layout.normalise != "none" else ops.ones_like(shift)
        )
        return shift, scale
    if layout.normalise == "none":
        none = ops.zeros_like(window[:, -1:, :count])
        return none, none + 1.0
    shift, scale = window_statistics(window, layout)
    return shift[:, :, :count], scale[:, :, :count]


def around(network: keras.Model, layout: Layout, sequence: bool) -> keras.Model:
    """Return a network with its scaling inside: (batch, history, columns) to (batch, horizon, outputs), in raw units.

    Of a network that forecasts after each step, the last forecast is taken. Quantiles are put in order, as
    Chernozhukov, Fernández-Val & Galichon do in "Quantile and Probability Curves Without Crossing", Econometrica 78(3),
    2010: learned each for itself, they may cross.
    """
    targets = len(layout.targets)
    window = keras.Input(network.input_shape[1:], name="history")
    mean, deviation = layout.mean, layout.deviation
    standard = keras.layers.Rescaling(
        [1 / value for value in deviation],
        [-centre / value for centre, value in zip(mean, deviation, strict=True)],
        name="standardise",
    )(window)
    forecast = network(standard)
    if sequence:
        forecast = forecast[:, -1]
    horizon, outputs = forecast.shape[1:]
    if (repeats := outputs // targets) > 1:
        levels = keras.layers.Reshape((horizon, targets, repeats))(forecast)
        forecast = keras.layers.Reshape((horizon, outputs))(ops.sort(levels, axis=-1))
    restore = keras.layers.Rescaling(
        [value for value in deviation[:targets] for _ in range(repeats)],
        [value for value in mean[:targets] for _ in range(repeats)],
        name="restore",
    )
    return keras.Model(window, restore(forecast), name="forecaster")

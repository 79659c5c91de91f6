"""Weighted average of forecasters as one network."""

from collections.abc import Sequence
from pathlib import Path

import keras

from gristmill.domains.timeseries.data.dataset import Layout, Prepared
from gristmill.domains.timeseries.forecasts import VALIDATION, Array, by_network, read_forecast
from gristmill.training import saved_network
from gristmill.training.average_network import average_networks


def average(members: Sequence[tuple[keras.Model, float]], layout: Layout) -> keras.Model:
    """Return the weighted average of networks, (batch, history, columns) to (batch, horizon, targets).

    The history is that of the network that sees most; others see the end of the window.
    """
    if len(members) == 1:
        return members[0][0]
    keras.backend.clear_session()  # names of layers must not depend on other work of this process
    history = max(network.input_shape[1] or layout.history for network, _ in members)
    window = keras.Input((history, len(layout.columns)), name="history")
    return average_networks(
        members, window, lambda network: window[:, -(network.input_shape[1] or layout.history) :, :]
    )


def held_out_forecast(folder: Path, data: Prepared) -> Array:
    """Return the forecasts of the validation set by a model that was not trained on it.

    A model in closed form was fitted again, on the validation set too, so it has them in a file.
    """
    starts = data.origins("validation")
    if (folder / VALIDATION).exists():
        return read_forecast(folder / VALIDATION, (len(starts), data.layout.horizon, len(data.layout.targets)))
    network = saved_network.read(folder)
    return by_network(network, data.seen_by(network), starts)

"""The network of a convolution and LSTMs."""

import numpy as np
import pytest

from gristmill.timeseries.models.conv_lstm import ConvLstm

SMALL = ConvLstm(kind="conv_lstm", filters=3, kernel=5, units=(4, 5), dense=(2,))


@pytest.mark.parametrize(("history", "horizon"), [(1, 1), (3, 2), (12, 7)])
def test_network_maps_history_to_horizon(history: int, horizon: int) -> None:
    """A history shorter than the kernel is padded on the left."""
    network = SMALL.build(history, horizon)

    assert network(np.zeros((2, history), np.float32)).shape == (2, horizon)


def test_layers_are_those_of_the_settings() -> None:
    network = SMALL.build(12, 2)

    shapes = [weight.shape for layer in network.layers for weight in layer.get_weights()[:1]]
    assert shapes == [(5, 1, 3), (3, 16), (4, 20), (5, 2), (2, 2)]
    assert network.layers[1].padding == "causal"


def test_every_value_of_the_history_matters() -> None:
    import keras

    keras.utils.set_random_seed(0)  # a small network of unlucky weights may be deaf
    network = ConvLstm(kind="conv_lstm", filters=8, units=(8,), dense=(8,)).build(12, 1)
    history = np.random.default_rng(0).normal(size=(1, 12)).astype(np.float32)
    changed = history + np.eye(12, dtype=np.float32)  # (12, 12): one value changed in each row

    made = network(np.concatenate([history, changed])).numpy()

    assert (np.abs(made[1:] - made[0]) > 0).all()

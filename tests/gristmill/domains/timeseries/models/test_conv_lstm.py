"""The network of a convolution, LSTMs and dense layers."""

import keras
import numpy as np
import pytest

from gristmill.domains.timeseries.model_shape import Shape
from gristmill.domains.timeseries.models.conv_lstm import ConvLstm

SMALL = ConvLstm(kind="conv_lstm", filters=3, kernel=5, units=(4, 5), dense=(2,))


@pytest.mark.parametrize("sequence", [False, True])
def test_layers_are_those_of_the_settings(sequence: bool) -> None:
    network = SMALL.build(Shape(12, 2, 1, 0, 2, sequence))

    shapes = [weight.shape for layer in network.layers for weight in layer.get_weights()[:1]]
    assert shapes == [(5, 1, 3), (3, 16), (4, 20), (5, 2), (2, 2)]
    assert network.layers[0].padding == "causal"
    assert [layer.return_sequences for layer in network.layers[1:3]] == [True, sequence]


def test_a_history_shorter_than_the_kernel_is_padded_on_the_left() -> None:
    assert SMALL.build(Shape(1, 2, 1, 0, 2))(np.ones((3, 1, 1), np.float32)).shape == (3, 2)


def test_every_value_of_the_history_matters() -> None:
    keras.utils.set_random_seed(0)  # a small network of unlucky weights may be deaf
    network = ConvLstm(kind="conv_lstm", filters=8, units=(8,), dense=(8,)).build(Shape(12, 1, 1, 0, 1))
    window = np.random.default_rng(0).normal(size=(1, 12, 1)).astype(np.float32)
    changed = window + np.eye(12, dtype=np.float32)[:, :, np.newaxis]  # one value changed in each row

    made = network(np.concatenate([window, changed])).numpy()

    assert (np.abs(made[1:] - made[0]) > 0).all()


def test_the_courses_network_is_the_default() -> None:
    network = ConvLstm(kind="conv_lstm").build(Shape(30, 1, 1, 0, 1))

    widths = [layer.filters if hasattr(layer, "filters") else layer.units for layer in network.layers]
    assert widths == [60, 60, 60, 30, 10, 1]

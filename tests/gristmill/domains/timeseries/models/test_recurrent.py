"""Recurrent layers stacked, in both directions, and after a convolution."""

from typing import Any

import keras
import numpy as np
import pytest

from gristmill.domains.timeseries.models import Shape
from gristmill.domains.timeseries.models.sequence import Bidirectional, ConvLstm, Gru, Lstm, Rnn, stack
from gristmill.errors import RequestError

CELLS = [(Rnn, "rnn", "SimpleRNN"), (Lstm, "lstm", "LSTM"), (Gru, "gru", "GRU")]
BOTH_WAYS = Shape(history=7, horizon=2, channels=1, known=0, outputs=2)
SMALL = ConvLstm(kind="conv_lstm", filters=3, kernel=5, units=(4, 5), dense=(2,))


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize(("model", "kind", "layer"), CELLS)
def test_a_recurrent_model_has_its_layers_and_one_map_to_the_outputs(
    model: Any, kind: str, layer: str, sequence: bool
) -> None:
    network = model(kind=kind, units=(5, 4)).build(Shape(7, 2, 2, 1, 4, sequence))

    *recurrent, last = network.layers
    assert [(type(one).__name__, one.units) for one in recurrent] == [(layer, 5), (layer, 4)]
    assert [one.return_sequences for one in recurrent] == [True, sequence]
    assert (type(last).__name__, last.units) == ("Dense", 4)
    assert network.name == kind


@pytest.mark.parametrize("sequence", [False, True])
def test_all_layers_but_the_last_return_their_sequence(sequence: bool) -> None:
    layers = stack("gru", (6, 5, 4), sequence)

    assert [(layer.units, layer.return_sequences) for layer in layers] == [(6, True), (5, True), (4, sequence)]
    assert [layer.units for layer in stack("gru", (3,), sequence)] == [3]


@pytest.mark.parametrize(("model", "cell", "layer"), CELLS)
def test_each_bidirectional_layer_reads_forward_and_backward(model: Any, cell: str, layer: str) -> None:
    network = Bidirectional.model_validate({"kind": "bidirectional", "cell": cell, "units": [4, 3]}).build(BOTH_WAYS)

    both = network.layers[:-1]
    assert [type(one.forward_layer).__name__ for one in both] == [layer, layer]
    assert [(one.forward_layer.go_backwards, one.backward_layer.go_backwards) for one in both] == [(False, True)] * 2
    assert [one.output.shape[-1] for one in both] == [8, 6]  # features from each end
    assert network.layers[-1].kernel.shape == (6, 2)


def test_a_bidirectional_network_cannot_forecast_after_each_step() -> None:
    with pytest.raises(RequestError, match=r"seen the values that train\.targets = 'sequence' asks it to forecast"):
        Bidirectional(kind="bidirectional").build(Shape(**vars(BOTH_WAYS) | {"sequence": True}))


def test_the_first_value_counts_as_much_as_the_last_in_a_bidirectional_network() -> None:
    keras.utils.set_random_seed(0)
    network = Bidirectional(kind="bidirectional", units=(8,)).build(Shape(**vars(BOTH_WAYS) | {"history": 60}))
    window = np.zeros((1, 60, 1), np.float32)
    first, last = window.copy(), window.copy()
    first[0, 0], last[0, -1] = 1, 1

    made = network(np.concatenate([window, first, last])).numpy()

    assert np.abs(made[1] - made[0]).max() > 1e-2
    assert np.abs(made[2] - made[0]).max() > 1e-2


@pytest.mark.parametrize("sequence", [False, True])
def test_the_layers_of_conv_lstm_are_those_of_its_settings(sequence: bool) -> None:
    network = SMALL.build(Shape(12, 2, 1, 0, 2, sequence))

    shapes = [weight.shape for layer in network.layers for weight in layer.get_weights()[:1]]
    assert shapes == [(5, 1, 3), (3, 16), (4, 20), (5, 2), (2, 2)]
    assert network.layers[0].padding == "causal"
    assert [layer.return_sequences for layer in network.layers[1:3]] == [True, sequence]


def test_a_history_shorter_than_the_kernel_is_padded_on_the_left() -> None:
    assert SMALL.build(Shape(1, 2, 1, 0, 2))(np.ones((3, 1, 1), np.float32)).shape == (3, 2)


def test_every_value_of_the_history_matters_to_conv_lstm() -> None:
    keras.utils.set_random_seed(0)  # with unlucky weights a small network may ignore a value
    network = ConvLstm(kind="conv_lstm", filters=8, units=(8,), dense=(8,)).build(Shape(12, 1, 1, 0, 1))
    window = np.random.default_rng(0).normal(size=(1, 12, 1)).astype(np.float32)
    changed = window + np.eye(12, dtype=np.float32)[:, :, np.newaxis]  # one value changed in each row

    made = network(np.concatenate([window, changed])).numpy()

    assert (np.abs(made[1:] - made[0]) > 0).all()


def test_the_defaults_of_conv_lstm_are_the_network_of_the_course() -> None:
    network = ConvLstm(kind="conv_lstm").build(Shape(30, 1, 1, 0, 1))

    widths = [layer.filters if hasattr(layer, "filters") else layer.units for layer in network.layers]
    assert widths == [60, 60, 60, 30, 10, 1]

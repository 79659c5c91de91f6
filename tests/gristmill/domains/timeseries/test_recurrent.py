"""Recurrent layers one on the other, and the models made of nothing else."""

import keras
import pytest

from gristmill.domains.timeseries.model_shape import Shape
from gristmill.domains.timeseries.recurrent import stack
from gristmill.settings.kinds import settings_of


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize(("kind", "layer"), [("rnn", "SimpleRNN"), ("lstm", "LSTM"), ("gru", "GRU")])
def test_a_model_of_recurrent_layers_has_them_and_one_map_to_the_outputs(kind: str, layer: str, sequence: bool) -> None:
    settings = settings_of(kind, "gristmill.domains.timeseries.models").model_validate({"kind": kind, "units": [5, 4]})
    network = settings.build(Shape(7, 2, 2, 1, 4, sequence))

    *recurrent, last = network.layers
    assert [(type(one).__name__, one.units) for one in recurrent] == [(layer, 5), (layer, 4)]
    assert [one.return_sequences for one in recurrent] == [True, sequence]
    assert (type(last).__name__, last.units) == ("Dense", 4)


@pytest.mark.parametrize("sequence", [False, True])
def test_all_layers_but_the_last_give_their_sequence(sequence: bool) -> None:
    layers = stack(keras.layers.GRU, (6, 5, 4), sequence)

    assert [(layer.units, layer.return_sequences) for layer in layers] == [(6, True), (5, True), (4, sequence)]
    assert [layer.units for layer in stack(keras.layers.GRU, (3,), sequence)] == [3]


def test_both_directions_double_the_features() -> None:
    first, second = stack(keras.layers.LSTM, (6, 5), False, bidirectional=True)

    assert first(keras.Input((7, 2))).shape == (None, 7, 12)
    assert second(keras.Input((7, 12))).shape == (None, 10)

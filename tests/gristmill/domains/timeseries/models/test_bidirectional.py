"""Recurrent layers that read a window from both ends."""

import numpy as np
import pytest

from gristmill.domains.timeseries.model_shape import Shape
from gristmill.domains.timeseries.models.bidirectional import Bidirectional
from gristmill.errors import RequestError

SHAPE = Shape(history=7, horizon=2, channels=1, known=0, outputs=2)


@pytest.mark.parametrize(("cell", "layer"), [("rnn", "SimpleRNN"), ("lstm", "LSTM"), ("gru", "GRU")])
def test_each_layer_reads_forward_and_backward(cell: str, layer: str) -> None:
    network = Bidirectional.model_validate({"kind": "bidirectional", "cell": cell, "units": [4, 3]}).build(SHAPE)

    both = network.layers[:-1]
    assert [type(one.forward_layer).__name__ for one in both] == [layer, layer]
    assert [(one.forward_layer.go_backwards, one.backward_layer.go_backwards) for one in both] == [(False, True)] * 2
    assert network.layers[-1].kernel.shape == (6, 2)  # three features from each end


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_no_forecast_after_each_step_whose_future_was_read(cell: str) -> None:
    model = Bidirectional.model_validate({"kind": "bidirectional", "cell": cell})

    with pytest.raises(RequestError, match=r"it has seen what train\.targets = 'sequence' asks it to forecast\. Set"):
        model.build(Shape(**vars(SHAPE) | {"sequence": True}))


def test_the_first_value_counts_as_much_as_the_last() -> None:
    import keras

    keras.utils.set_random_seed(0)
    network = Bidirectional(kind="bidirectional", units=(8,)).build(Shape(**vars(SHAPE) | {"history": 60}))
    window = np.zeros((1, 60, 1), np.float32)
    first, last = window.copy(), window.copy()
    first[0, 0], last[0, -1] = 1, 1

    made = network(np.concatenate([window, first, last])).numpy()

    assert np.abs(made[1] - made[0]).max() > 1e-2
    assert np.abs(made[2] - made[0]).max() > 1e-2

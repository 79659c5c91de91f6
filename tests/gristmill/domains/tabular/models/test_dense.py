"""The dense model's network."""

from itertools import pairwise

import numpy as np
import pytest

from gristmill.domains.tabular.models import Shape
from gristmill.domains.tabular.models.dense import Dense


@pytest.mark.parametrize("units", [(), (5,), (20, 10)])
def test_layers_lie_over_the_row(units: tuple[int, ...]) -> None:
    network = Dense(kind="dense", units=units).build(Shape(7, 1))

    assert (network.input_shape, network.output_shape) == ((None, 7), (None, 1))
    assert network.count_params() == sum((wide + 1) * narrow for wide, narrow in pairwise([7, *units, 1]))


def test_without_hidden_layers_it_is_a_plane() -> None:
    network = Dense(kind="dense", units=()).build(Shape(2, 1))
    network.set_weights([np.array([[2.0], [-3.0]]), np.array([5.0])])

    assert network(np.array([[1.0, 1.0], [-1.0, 4.0]], np.float32)).numpy().tolist() == [[4], [-9]]


def test_predictions_are_not_held_above_zero() -> None:
    network = Dense(kind="dense", units=(3,)).build(Shape(2, 1))

    last = network.layers[-1]
    last.set_weights([-np.abs(last.get_weights()[0]) - 1, np.full(1, -1.0)])

    assert (network(np.ones((2, 2), np.float32)).numpy() < 0).all()


def test_there_are_as_many_outputs_as_the_task_needs() -> None:
    assert Dense(kind="dense").build(Shape(7, 3)).output_shape == (None, 3)

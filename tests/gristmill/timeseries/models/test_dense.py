"""The dense model's network."""

from itertools import pairwise

import numpy as np
import pytest

from gristmill.timeseries.models.dense import Dense


@pytest.mark.parametrize(("units", "history", "horizon"), [((20, 10), 6, 1), ((3,), 30, 7)])
def test_network_maps_history_to_horizon(units: tuple[int, ...], history: int, horizon: int) -> None:
    network = Dense(kind="dense", units=units).build(history, horizon)

    assert network(np.zeros((3, history), np.float32)).shape == (3, horizon)
    widths = [history, *units, horizon]
    assert network.count_params() == sum((wide + 1) * narrow for wide, narrow in pairwise(widths))


def test_forecasts_are_not_held_above_zero() -> None:
    network = Dense(kind="dense").build(6, 1)

    last = network.layers[-1]
    last.set_weights([-np.abs(last.get_weights()[0]) - 1, np.full(1, -1.0)])
    assert (network(np.ones((2, 6), np.float32)).numpy() < 0).all()

"""Old values reach the network as means only, and a linear map stands beside its layers."""

import keras
import numpy as np
import pytest

from gristmill.domains.timeseries.models import Shape
from gristmill.domains.timeseries.models.dense import Multiscale

SHAPE = Shape(history=11, horizon=2, channels=2, known=1, outputs=4)
WINDOWS = np.random.default_rng(0).normal(size=(5, 11, 3)).astype(np.float32)


def built(**settings: object) -> keras.Model:
    keras.utils.set_random_seed(0)
    return Multiscale.model_validate({"kind": "multiscale", "lags": 3} | settings).build(SHAPE)


def test_without_layers_it_is_linear_in_lags_means_and_known_columns() -> None:
    network = built(units=[])
    kernels = [layer.get_weights() for layer in network.layers if isinstance(layer, keras.layers.Dense)]

    rows = []
    for window in WINDOWS.astype(np.float64):
        values, known = window[:, :2], window[-2:, 2]
        row = [*values[-3], *values[-2], *values[-1]]
        for length in (2, 4, 8, 11):
            row += [values[-length:, channel].mean() for channel in (0, 1)]
        rows.append([*row, *known])
    expected = sum(np.array(rows) @ kernel + bias for kernel, bias in kernels)

    assert len(kernels) == 2
    assert np.asarray(network(WINDOWS)) == pytest.approx(expected, abs=1e-5)


def test_old_values_count_by_their_mean_alone() -> None:
    network, swapped = built(), WINDOWS.copy()
    swapped[:, [0, 1]] = swapped[:, [1, 0]]  # both in the mean of all, and in no other

    assert np.asarray(network(swapped)) == pytest.approx(np.asarray(network(WINDOWS)), abs=1e-5)
    swapped[:, 0, 0] += 11
    assert np.abs(np.asarray(network(swapped)) - np.asarray(network(WINDOWS))).max() > 0.01


def test_more_lags_than_a_window_has_are_all_values() -> None:
    assert built(lags=50).input_shape == (None, 11, 3)

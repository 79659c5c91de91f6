"""Dilated causal convolutions reach as far back as they say."""

import keras
import numpy as np

from gristmill.domains.timeseries.models import Shape
from gristmill.domains.timeseries.models.sequence import Conv


def test_dilations_double_from_layer_to_layer() -> None:
    network = Conv(kind="conv", filters=(4, 3, 2), kernel=2).build(Shape(20, 1, 1, 0, 1))

    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv1D)]
    assert [layer.dilation_rate for layer in layers] == [(1,), (2,), (4,)]
    assert [layer.filters for layer in layers] == [4, 3, 2]
    assert {layer.padding for layer in layers} == {"causal"}


def test_the_forecast_sees_the_last_values_as_far_as_the_filters_reach() -> None:
    """Kernels of 3 at dilations 1 and 2 reach over 1 + 2 + 4 = 7 values."""
    keras.utils.set_random_seed(0)
    network = Conv(kind="conv", filters=(16, 16), kernel=3).build(Shape(12, 1, 1, 0, 1))
    window = np.random.default_rng(0).normal(size=(1, 12, 1)).astype(np.float32)
    changed = window + np.eye(12, dtype=np.float32)[:, :, np.newaxis]  # one value changed in each row

    made = network(np.concatenate([window, changed])).numpy()[:, 0]

    assert (made[1:] != made[0]).tolist() == [False] * 5 + [True] * 7

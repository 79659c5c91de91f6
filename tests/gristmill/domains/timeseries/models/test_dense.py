"""The dense model's network."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from gristmill.domains.timeseries.models import Shape
from gristmill.domains.timeseries.models.dense import Dense
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import fit_forecaster
from gristmill.errors import RequestError
from helpers.small_runs import assembled


@pytest.mark.parametrize(
    ("units", "shape", "lags"),
    [
        ((20, 10), Shape(6, 1, 1, 0, 1), 6),
        ((3,), Shape(30, 7, 2, 3, 14), 30 * 2 + 7 * 3),
        ((), Shape(4, 2, 1, 1, 2), 4 + 2),
    ],
)
def test_layers_lie_over_the_lags(units: tuple[int, ...], shape: Shape, lags: int) -> None:
    network = Dense(kind="dense", units=units).build(shape)

    widths = [lags, *units, shape.outputs]
    assert network.count_params() == sum((wide + 1) * narrow for wide, narrow in pairwise(widths))


def test_forecasts_are_not_held_above_zero() -> None:
    network = Dense(kind="dense").build(Shape(6, 1, 1, 0, 1))

    last = network.layers[-1]
    last.set_weights([-np.abs(last.get_weights()[0]) - 1, np.full(1, -1.0)])

    assert (network(np.ones((2, 6, 1), np.float32)).numpy() < 0).all()


def test_a_model_of_the_lags_forecasts_no_sequence(tmp_path: Path) -> None:
    data = assembled(np.random.default_rng(0).normal(size=30), history=7, test=5)

    with pytest.raises(RequestError, match=r"gives \(1,\) for each window; expected .* give \(None, 1\) or \(7, 1\)"):
        fit_forecaster(
            Dense(kind="dense"), Train(targets="sequence"), data, tmp_path, tmp_path, on_epoch=lambda epoch: None
        )

"""The linear model is ridge regression, solved in closed form."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gristmill.domains.timeseries.model_shape import Shape
from gristmill.domains.timeseries.models.linear import Linear
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train_network import fit_forecaster
from helpers.small_runs import assembled

Array = npt.NDArray[np.float64]

RANDOM = np.random.default_rng(0)
SHAPE = Shape(history=4, horizon=2, channels=2, known=1, outputs=2)
WINDOWS, TARGETS = RANDOM.normal(size=(50, 4, 3)).astype(np.float32), RANDOM.normal(size=(50, 2))


def ridge(features: Array, targets: Array, l2: float) -> Array:
    """Return weights and bias by least squares on the rows of a penalty, which is another way to the same."""
    size = features.shape[1]
    design = np.column_stack([features, np.ones(len(features))])
    penalty = np.column_stack([np.sqrt(l2) * np.eye(size), np.zeros(size)])
    rows = np.concatenate([targets, np.zeros((size, targets.shape[1]))])
    return np.linalg.lstsq(np.concatenate([design, penalty]), rows)[0]


def solved(l2: float, *blocks: tuple[Any, Any]) -> Any:
    model = Linear(kind="linear", l2=l2)
    network = model.build(SHAPE)
    model.solve(network, iter(blocks))
    return network.get_layer("lags").get_weights()


@pytest.mark.parametrize("l2", [0.0, 1.0, 30.0])
def test_weights_are_those_of_ridge_regression(l2: float) -> None:
    kernel, bias = solved(l2, (WINDOWS, TARGETS))

    features = np.column_stack([WINDOWS[:, :, :2].reshape(50, 8), WINDOWS[:, 2:, 2]]).astype(np.float64)
    expected = ridge(features, TARGETS, l2)
    assert kernel == pytest.approx(expected[:-1], abs=1e-5)
    assert bias == pytest.approx(expected[-1], abs=1e-5)


def test_a_larger_penalty_gives_smaller_weights_and_leaves_the_bias_free() -> None:
    kernel, bias = solved(1e9, (WINDOWS, TARGETS + 100))

    assert np.abs(kernel).max() < 1e-4
    assert bias == pytest.approx((TARGETS + 100).mean(axis=0), rel=1e-3)


def test_blocks_give_what_all_windows_at_once_do() -> None:
    whole = solved(1.0, (WINDOWS, TARGETS))
    parts = solved(1.0, (WINDOWS[:20], TARGETS[:20]), (WINDOWS[20:21], TARGETS[20:21]), (WINDOWS[21:], TARGETS[21:]))

    assert all(np.allclose(*pair, atol=1e-6) for pair in zip(whole, parts, strict=True))


@pytest.mark.parametrize("normalise", ["none", "last", "mean"])
def test_a_linear_recurrence_is_forecast_without_error(normalise: str, tmp_path: Path) -> None:
    """A sum of waves obeys one; what is taken out of a window and put back leaves it one."""
    time = np.arange(120)
    values = 50 + 9 * np.sin(2 * np.pi * time / 12) + 4 * np.cos(2 * np.pi * time / 5)
    data = assembled(values, history=10, horizon=4, test=20, normalise=normalise)
    starts = data.origins("test")

    network, course = fit_forecaster(
        Linear(kind="linear", l2=0.0), Train(), data, tmp_path, tmp_path, on_epoch=lambda epoch: None
    )

    assert network.predict(data.histories(starts), verbose=0) == pytest.approx(data.targets(starts), abs=1e-2)
    assert course.losses == []


def test_lags_that_say_the_same_are_solved_for_too() -> None:
    model = Linear(kind="linear", l2=0.0)
    network = model.build(Shape(4, 1, 1, 0, 1))
    copies = np.repeat(WINDOWS[:, :1, :1], 4, axis=1)

    model.solve(network, iter([(copies, copies[:, 0])]))

    assert network(copies).numpy() == pytest.approx(copies[:, 0], abs=1e-4)

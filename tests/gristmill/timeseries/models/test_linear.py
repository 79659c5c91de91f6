"""The linear model is the ridge solution."""

import numpy as np
import pytest

from gristmill.timeseries.models.linear import Linear

RANDOM = np.random.default_rng(0)
HISTORIES = RANDOM.normal(3, 2, size=(80, 6)).astype(np.float32)
TARGETS = (HISTORIES[:, :2] * 0.5 + RANDOM.normal(size=(80, 2)) + 7).astype(np.float32)


@pytest.mark.parametrize(("history", "horizon"), [(1, 1), (6, 2), (30, 7)])
def test_network_maps_history_to_horizon(history: int, horizon: int) -> None:
    network = Linear(kind="linear").build(history, horizon)

    assert network(np.zeros((3, history), np.float32)).shape == (3, horizon)
    assert network.output_shape == (None, horizon)


@pytest.mark.parametrize("l2", [0.0, 1.0, 50.0])
def test_solution_is_ridge_with_a_free_bias(l2: float) -> None:
    model = Linear(kind="linear", l2=l2)
    network = model.build(6, 2)

    model.solve(network, HISTORIES, TARGETS)

    design = np.column_stack([HISTORIES, np.ones(len(HISTORIES))]).astype(np.float64)
    penalty = np.diag([l2] * 6 + [0.0])  # the bias goes free
    solution = np.linalg.solve(design.T @ design + penalty, design.T @ TARGETS.astype(np.float64))
    kernel, bias = network.get_weights()
    assert kernel == pytest.approx(solution[:-1], abs=1e-5)
    assert bias == pytest.approx(solution[-1], abs=1e-5)
    assert network.predict(HISTORIES, verbose=0) == pytest.approx(design @ solution, abs=1e-4)


def test_a_linear_map_is_found_without_a_penalty() -> None:
    model = Linear(kind="linear", l2=0.0)
    network = model.build(6, 2)
    truth = HISTORIES @ np.arange(12.0).reshape(6, 2) - 3

    model.solve(network, HISTORIES, truth)

    assert network.predict(HISTORIES, verbose=0) == pytest.approx(truth, rel=1e-4, abs=1e-3)


def test_lags_that_say_the_same_are_solved_for_too() -> None:
    model = Linear(kind="linear", l2=0.0)
    network = model.build(6, 2)
    copies = np.repeat(HISTORIES[:, :1], 6, axis=1)

    model.solve(network, copies, copies[:, :2])

    assert network.predict(copies, verbose=0) == pytest.approx(copies[:, :2], abs=1e-3)

"""Baselines are fitted on the training set, in closed form."""

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.tabular.baselines import baselines, least_squares
from gristmill.domains.tabular.dataset import Layout, Prepared

TRAINED = np.array([True, True, True, True, False, False])


def test_least_squares_is_the_solution_of_the_normal_equations() -> None:
    random = np.random.default_rng(0)
    features, truth = random.normal(size=(50, 3)).astype(np.float32), random.normal(size=50) * 100
    trained = np.arange(50) < 30

    rows = np.column_stack([features.astype(np.float64), np.ones(50)])
    solution = np.linalg.solve(rows[trained].T @ rows[trained], rows[trained].T @ truth[trained])

    assert least_squares(features, truth, trained) == pytest.approx(rows @ solution)


def test_a_line_is_found_and_continued() -> None:
    x = np.array([[-1], [0], [1], [2], [10], [-10]], np.float32)
    assert least_squares(x, 2.0 * x[:, 0] - 1, TRAINED) == pytest.approx([-3, -1, 1, 3, 19, -21])


def test_baselines_know_the_training_part_alone_and_give_a_new_name_nothing() -> None:
    """Towns are worth 10 and 30 in training; what is new, at the mean of x, gets the level between them."""
    table = pd.DataFrame({"town": ["a", "a", "b", "b", "a", "new"], "y": [10.0, 10, 30, 30, 99, 99]})
    layout = Layout("y", [], {"town": ["a", "b"]}, {"y": 0.0}, {"y": 1.0})

    made = baselines(Prepared(table, np.where(TRAINED, "train", "test"), layout))

    assert list(made) == ["mean", "least squares"]
    assert made["mean"].tolist() == [20] * 6
    assert made["least squares"][:5] == pytest.approx([10, 10, 30, 30, 10])
    assert 10 < made["least squares"][5] < 30

"""A feature is as important as the error that shuffling it makes."""

import numpy as np
import pytest

from gristmill.domains.common.permutation_importance import importance


def test_the_error_rises_with_what_counts_and_not_with_what_does_not() -> None:
    values = np.arange(400.0)

    def losses(feature: str, orders: np.ndarray) -> np.ndarray:  # of a model of `much` and a tenth of `little`
        weight = {"none": 0.0, "little": 0.1, "much": 1.0}[feature]
        return 5 + weight * np.abs(values - values[orders])

    found = importance(["none", "little", "much"], losses, 400)

    assert (found["error"], found["examples"], found["repeats"], found["level"]) == (5, 400, 5, 0.95)
    much, little, none = found["features"]
    assert [feature["feature"] for feature in found["features"]] == ["much", "little", "none"]
    assert much["rise"] == pytest.approx(400 / 3, rel=0.1)  # how far two of 400 numbers in a row lie from each other
    assert little["rise"] == pytest.approx(much["rise"] / 10, rel=0.2)
    assert 0 < little["low"] < little["rise"] < little["high"]
    assert (none["rise"], none["low"], none["high"]) == (0, 0, 0)


@pytest.mark.parametrize("block", [0, 9])
def test_an_interval_is_that_of_examples_and_not_of_shuffles(block: int) -> None:
    """All shuffles agree that one of 100 examples needs the feature: another sample might have none or two of them."""

    def losses(feature: str, orders: np.ndarray) -> np.ndarray:
        return np.where((np.arange(100) == 50) & (orders != np.arange(100)).any(axis=1, keepdims=True), 100.0, 0.0)

    (found,) = importance(["x"], losses, 100, block)["features"]

    assert found["rise"] == pytest.approx(1)
    assert found["low"] == 0
    assert 1 < found["high"] < 4


def test_the_rise_of_a_root_is_that_of_the_error_itself() -> None:
    squares = np.random.default_rng(0).exponential(size=50)

    def losses(feature: str, orders: np.ndarray) -> np.ndarray:
        return np.where((orders == np.arange(50)).all(axis=1, keepdims=True), squares, 4 * squares)

    found = importance(["x"], losses, 50, is_root=True)

    assert found["error"] == pytest.approx(np.sqrt(squares.mean()))
    assert found["features"][0]["rise"] == pytest.approx(found["error"])


def test_few_examples_have_no_interval() -> None:
    found = importance(["x"], lambda _, orders: 1.0 * orders, 4)

    assert (found["features"][0]["low"], found["features"][0]["high"]) == (None, None)

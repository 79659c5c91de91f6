"""A feature is as important as the error that shuffling it makes."""

import numpy as np
import pytest

from gristmill.domains.common.permutation_importance import importance, sample_positions


def test_the_error_rises_with_what_counts_and_not_with_what_does_not() -> None:
    values = np.arange(400.0)

    def error(feature: str, order: np.ndarray) -> float:  # of one that predicts by `much` and a tenth of `little`
        weight = {"none": 0.0, "little": 0.1, "much": 1.0}[feature]
        return 5 + weight * float(np.abs(values - values[order]).mean())

    found = importance(["none", "little", "much"], error, 400)

    assert (found["error"], found["examples"], found["repeats"]) == (5, 400, 5)
    much, little, none = found["features"]
    assert [feature["feature"] for feature in found["features"]] == ["much", "little", "none"]
    assert much["rise"] == pytest.approx(400 / 3, rel=0.1)  # how far two of 400 numbers in a row lie from each other
    assert little["rise"] == pytest.approx(much["rise"] / 10, rel=0.2)
    assert 0 < little["deviation"] < little["rise"]
    assert (none["rise"], none["deviation"]) == (0, 0)


def test_the_same_is_found_again() -> None:
    def error(feature: str, order: np.ndarray) -> float:
        return float(order[0])

    assert importance(["one", "other"], error, 50) == importance(["one", "other"], error, 50)


@pytest.mark.parametrize(("count", "taken"), [(1, 1), (2_000, 2_000), (9_000, 2_000)])
def test_two_thousand_examples_are_enough(count: int, taken: int) -> None:
    positions = sample_positions(count)

    assert len(positions) == taken
    assert (np.diff(positions) > 0).all()
    assert positions[0] >= 0
    assert positions[-1] < count

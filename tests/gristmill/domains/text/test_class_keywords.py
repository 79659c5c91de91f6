"""The tokens that tell classes apart come first, and rare ones do not."""

import numpy as np
import pytest

from gristmill.domains.text.evaluate import deviations


def test_deviations_are_those_computed_by_hand() -> None:
    made = deviations(np.array([[3, 0]]), np.array([4, 4]))

    ratio = np.log((4 / 6) / (1 / 6))
    assert made == pytest.approx(np.array([[ratio, -ratio]]) / np.sqrt(1 / 4 + 1))


def test_a_frequent_token_tells_more_than_a_rare_one_and_one_that_is_everywhere_nothing() -> None:
    frequent, rare, everywhere = deviations(np.array([[90, 30, 30], [1, 0, 0], [100, 100, 100]]), np.full(3, 100))

    assert frequent.argmax() == rare.argmax() == 0
    assert frequent[0] > 5 > 2 > rare[0] > 0
    assert everywhere == pytest.approx(np.zeros(3), abs=0.1)

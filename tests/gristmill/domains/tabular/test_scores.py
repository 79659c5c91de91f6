"""Measures by hand-computed numbers and by a loop."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gristmill.domains.tabular.evaluate import mae, r2, rmse

TRUTH = np.array([1.0, 2.0, 6.0])
PREDICTION = np.array([2.0, 2.0, 4.0])  # errors: -1, 0, 2; the truth is 2, 1 and 3 from its mean

Values = npt.NDArray[np.float64]

numbers = st.integers(-10_000, 10_000).map(lambda cents: cents / 100)
pairs = st.integers(1, 9).flatmap(
    lambda rows: st.tuples(arrays(np.float64, rows, elements=numbers), arrays(np.float64, rows, elements=numbers))
)


def test_measures_equal_hand_computed_numbers() -> None:
    assert mae(TRUTH, PREDICTION) == pytest.approx(1)
    assert rmse(TRUTH, PREDICTION) == pytest.approx(math.sqrt(5 / 3))
    assert r2(TRUTH, PREDICTION) == pytest.approx(1 - 5 / 14)


@given(pair=pairs)
def test_measures_equal_a_loop(pair: tuple[Values, Values]) -> None:
    truth, prediction = (values.tolist() for values in pair)
    mean = sum(truth) / len(truth)
    errors = [y - made for y, made in zip(truth, prediction, strict=True)]
    square, spread = sum(error**2 for error in errors), sum((y - mean) ** 2 for y in truth)

    assert mae(*pair) == pytest.approx(sum(map(abs, errors)) / len(errors))
    assert rmse(*pair) == pytest.approx(math.sqrt(square / len(errors)))
    assert r2(*pair) == (pytest.approx(1 - square / spread) if len(set(truth)) > 1 else None)


def test_a_perfect_prediction_explains_everything_and_the_mean_nothing() -> None:
    assert (mae(TRUTH, TRUTH), rmse(TRUTH, TRUTH), r2(TRUTH, TRUTH)) == (0, 0, 1)
    assert r2(TRUTH, np.full(3, 3.0)) == 0


def test_what_does_not_vary_cannot_be_explained() -> None:
    assert r2(np.array([19.0]), np.array([18.98])) is None
    assert r2(np.full(3, 0.1), TRUTH) is None

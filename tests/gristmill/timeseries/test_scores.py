"""Measures by hand-computed numbers and by a loop."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gristmill.timeseries.scores import mae, mape, mase, rmse, scores, skill

TRUTH = np.array([[1.0, 2.0], [4.0, 0.0]])
FORECAST = np.array([[2.0, 2.0], [1.0, -2.0]])  # errors: -1, 0, 3, 2
PAST = np.array([1.0, 3.0, 2.0, 5.0])  # steps: 2, 1, 3

numbers = st.integers(-10_000, 10_000).map(lambda cents: cents / 100)
pairs = st.integers(1, 6).flatmap(
    lambda rows: st.integers(1, 4).flatmap(
        lambda columns: st.tuples(
            arrays(np.float64, (rows, columns), elements=numbers), arrays(np.float64, (rows, columns), elements=numbers)
        )
    )
)


def test_measures_equal_hand_computed_numbers() -> None:
    assert mae(TRUTH, FORECAST) == pytest.approx(6 / 4)
    assert rmse(TRUTH, FORECAST) == pytest.approx(math.sqrt((1 + 0 + 9 + 4) / 4))
    assert mape(TRUTH, FORECAST) == pytest.approx(100 * (1 / 1 + 0 / 2 + 3 / 4) / 3)
    assert mase(TRUTH, FORECAST, PAST) == pytest.approx(1.5 / 2)


@settings(deadline=None)
@given(pair=pairs, past=arrays(np.float64, st.integers(2, 8), elements=numbers))
def test_measures_equal_a_loop(
    pair: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]], past: npt.NDArray[np.float64]
) -> None:
    truth, forecast = pair
    cells = [(float(y), float(made)) for y, made in zip(truth.ravel(), forecast.ravel(), strict=True)]
    absolute = sum(abs(y - made) for y, made in cells) / len(cells)
    shares = [abs((y - made) / y) for y, made in cells if y != 0]
    unit = sum(abs(float(past[at]) - float(past[at - 1])) for at in range(1, len(past))) / (len(past) - 1)

    made = scores(truth, forecast, past)

    assert made["mae"] == pytest.approx(absolute)
    assert made["rmse"] == pytest.approx(math.sqrt(sum((y - made) ** 2 for y, made in cells) / len(cells)))
    assert made["mape"] == (pytest.approx(100 * sum(shares) / len(shares)) if shares else None)
    assert made["mase"] == (pytest.approx(absolute / unit) if unit > 0 else None)


def test_a_perfect_forecast_has_no_error() -> None:
    assert scores(TRUTH, TRUTH, PAST) == {"mae": 0.0, "rmse": 0.0, "mape": 0.0, "mase": 0.0}


def test_percentages_leave_out_truths_of_zero() -> None:
    assert mape(np.array([[0.0, 10.0]]), np.array([[5.0, 9.0]])) == pytest.approx(10)
    assert mape(np.zeros((2, 2)), np.ones((2, 2))) is None


def test_percentages_take_the_size_of_a_negative_truth() -> None:
    assert mape(np.array([[-10.0]]), np.array([[-9.0]])) == pytest.approx(10)


def test_a_constant_past_gives_no_unit() -> None:
    assert mase(TRUTH, FORECAST, np.full(5, 3.0)) is None


def test_skill_is_the_share_of_the_references_error_that_is_gone() -> None:
    assert skill(5.0, 10.0) == pytest.approx(0.5)
    assert skill(10.0, 10.0) == 0
    assert skill(0.0, 10.0) == 1
    assert skill(15.0, 10.0) == pytest.approx(-0.5)
    assert skill(1.0, 0.0) is None
    assert skill(0.0, 0.0) is None

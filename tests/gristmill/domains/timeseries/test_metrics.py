"""Measures by hand-computed numbers and by a loop."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gristmill.domains.timeseries.metrics import coverage, mae, mape, mse, pinball, rmse, skill, smape, width

TRUTH = np.array([[1.0, 2.0], [4.0, 0.0]])
FORECAST = np.array([[2.0, 2.0], [1.0, -2.0]])  # errors: -1, 0, 3, 2

numbers = st.integers(-10_000, 10_000).map(lambda cents: cents / 100)
pairs = st.integers(1, 6).flatmap(
    lambda rows: st.integers(1, 4).flatmap(
        lambda columns: st.tuples(
            arrays(np.float64, (rows, columns), elements=numbers), arrays(np.float64, (rows, columns), elements=numbers)
        )
    )
)

Pair = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def test_measures_equal_hand_computed_numbers() -> None:
    assert mae(TRUTH, FORECAST) == pytest.approx(6 / 4)
    assert mse(TRUTH, FORECAST) == pytest.approx((1 + 0 + 9 + 4) / 4)
    assert rmse(TRUTH, FORECAST) == pytest.approx(math.sqrt((1 + 0 + 9 + 4) / 4))
    assert mape(TRUTH, FORECAST) == pytest.approx(100 * (1 / 1 + 0 / 2 + 3 / 4) / 3)
    assert smape(TRUTH, FORECAST) == pytest.approx(100 * (1 / 1.5 + 0 / 2 + 3 / 2.5 + 2 / 1) / 4)
    assert pinball(TRUTH, FORECAST, 0.9) == pytest.approx((0.1 * 1 + 0 + 0.9 * 3 + 0.9 * 2) / 4)
    assert pinball(TRUTH, FORECAST, 0.1) == pytest.approx((0.9 * 1 + 0 + 0.1 * 3 + 0.1 * 2) / 4)


@given(pair=pairs)
def test_measures_equal_a_loop(pair: Pair) -> None:
    truth, forecast = pair
    cells = [(float(y), float(made)) for y, made in zip(truth.ravel(), forecast.ravel(), strict=True)]
    absolute = sum(abs(y - made) for y, made in cells) / len(cells)
    square = sum((y - made) ** 2 for y, made in cells) / len(cells)
    shares = [abs((y - made) / y) for y, made in cells if y != 0]
    symmetric = [abs(y - made) / (abs(y) + abs(made)) if y or made else 0.0 for y, made in cells]

    assert mae(truth, forecast) == pytest.approx(absolute)
    assert mse(truth, forecast) == pytest.approx(square)
    assert rmse(truth, forecast) == pytest.approx(math.sqrt(square))
    assert mape(truth, forecast) == (pytest.approx(100 * sum(shares) / len(shares)) if shares else None)
    assert smape(truth, forecast) == pytest.approx(200 * sum(symmetric) / len(cells))


@given(pair=pairs, quantile=st.floats(0.01, 0.99), reach=st.integers(0, 50))
def test_measures_of_intervals_equal_a_loop(pair: Pair, quantile: float, reach: int) -> None:
    truth, forecast = pair
    low, high = forecast - reach, forecast + 2 * reach
    losses, inside, widths = [], 0, 0.0
    for y, made, below, above in zip(truth.ravel(), forecast.ravel(), low.ravel(), high.ravel(), strict=True):
        losses.append(quantile * (y - made) if y >= made else (1 - quantile) * (made - y))
        inside += below <= y <= above
        widths += above - below

    assert pinball(truth, forecast, quantile) == pytest.approx(sum(losses) / len(losses))
    assert pinball(truth, forecast, 0.5) == pytest.approx(mae(truth, forecast) / 2)
    assert coverage(truth, low, high) == pytest.approx(inside / truth.size)
    assert width(low, high) == pytest.approx(widths / truth.size)


def test_an_interval_holds_its_ends() -> None:
    assert coverage(TRUTH, TRUTH, TRUTH) == 1
    assert coverage(TRUTH, TRUTH - 1, np.array([[1.0, 2.0], [3.9, -0.1]])) == 0.5
    assert width(TRUTH - 1, TRUTH + 2) == pytest.approx(3)


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_the_quantile_has_the_lowest_pinball_loss(quantile: float) -> None:
    values = np.random.default_rng(0).exponential(size=(10_001, 1))
    best = float(np.quantile(values, quantile))
    losses = [pinball(values, np.full_like(values, best + off), quantile) for off in (-0.1, -0.01, 0, 0.01, 0.1)]

    assert min(losses) == losses[2]


def test_a_perfect_forecast_has_no_error() -> None:
    assert {measure(TRUTH, TRUTH) for measure in (mae, mse, rmse, mape, smape)} == {0.0}


def test_symmetric_percentages_end_at_200() -> None:
    assert smape(np.array([[1.0, 5.0]]), np.array([[-1.0, 0.0]])) == pytest.approx(200)
    assert smape(np.zeros((2, 2)), np.zeros((2, 2))) == 0


def test_percentages_leave_out_truths_of_zero() -> None:
    assert mape(np.array([[0.0, 10.0]]), np.array([[5.0, 9.0]])) == pytest.approx(10)
    assert mape(np.zeros((2, 2)), np.ones((2, 2))) is None


def test_percentages_take_the_size_of_a_negative_truth() -> None:
    assert mape(np.array([[-10.0]]), np.array([[-9.0]])) == pytest.approx(10)


def test_skill_is_the_share_of_the_references_error_that_is_gone() -> None:
    assert skill(5.0, 10.0) == pytest.approx(0.5)
    assert skill(10.0, 10.0) == 0
    assert skill(0.0, 10.0) == 1
    assert skill(15.0, 10.0) == pytest.approx(-0.5)
    assert skill(1.0, 0.0) is None
    assert skill(0.0, 0.0) is None

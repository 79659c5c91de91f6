"""Losses by hand-computed numbers and by a loop."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gristmill.domains.timeseries.scores.metrics import (
    absolute_error,
    covered,
    percentage_error,
    pinball_loss,
    skill,
    squared_error,
    symmetric_error,
)

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


def test_losses_equal_hand_computed_numbers() -> None:
    assert absolute_error(TRUTH, FORECAST).tolist() == [[1, 0], [3, 2]]
    assert squared_error(TRUTH, FORECAST).tolist() == [[1, 0], [9, 4]]
    assert percentage_error(TRUTH, FORECAST).tolist() == [[100, 0], [75, 0]]  # a truth of 0 has no percentage
    assert symmetric_error(TRUTH, FORECAST) == pytest.approx(np.array([[200 / 3, 0], [120, 200]]))
    assert pinball_loss(TRUTH, FORECAST, 0.9) == pytest.approx(np.array([[0.1, 0], [2.7, 1.8]]))
    assert pinball_loss(TRUTH, FORECAST, 0.1) == pytest.approx(np.array([[0.9, 0], [0.3, 0.2]]))


@given(pair=pairs)
def test_losses_equal_a_loop(pair: Pair) -> None:
    truth, forecast = pair
    cells = [(float(y), float(made)) for y, made in zip(truth.ravel(), forecast.ravel(), strict=True)]

    assert absolute_error(truth, forecast).ravel() == pytest.approx([abs(y - made) for y, made in cells])
    assert squared_error(truth, forecast).ravel() == pytest.approx([(y - made) ** 2 for y, made in cells])
    shares = [100 * abs((y - made) / y) if y else 0.0 for y, made in cells]
    assert percentage_error(truth, forecast).ravel() == pytest.approx(shares)
    symmetric = [200 * abs(y - made) / (abs(y) + abs(made)) if y or made else 0.0 for y, made in cells]
    assert symmetric_error(truth, forecast).ravel() == pytest.approx(symmetric)


@given(pair=pairs, quantile=st.floats(0.01, 0.99), reach=st.integers(0, 50))
def test_losses_of_intervals_equal_a_loop(pair: Pair, quantile: float, reach: int) -> None:
    truth, forecast = pair
    low, high = forecast - reach, forecast + 2 * reach
    losses, inside = [], []
    for y, made, below, above in zip(truth.ravel(), forecast.ravel(), low.ravel(), high.ravel(), strict=True):
        losses.append(quantile * (y - made) if y >= made else (1 - quantile) * (made - y))
        inside.append(below <= y <= above)

    assert pinball_loss(truth, forecast, quantile).ravel() == pytest.approx(losses)
    assert pinball_loss(truth, forecast, 0.5) == pytest.approx(absolute_error(truth, forecast) / 2)
    assert covered(truth, low, high).ravel().tolist() == inside


def test_an_interval_holds_its_ends() -> None:
    assert covered(TRUTH, TRUTH, TRUTH).all()
    assert covered(TRUTH, TRUTH - 1, np.array([[1.0, 2.0], [3.9, -0.1]])).tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize("quantile", [0.05, 0.5, 0.9])
def test_the_quantile_has_the_lowest_pinball_loss(quantile: float) -> None:
    values = np.random.default_rng(0).exponential(size=(10_001, 1))
    best = float(np.quantile(values, quantile))
    offsets = (-0.1, -0.01, 0, 0.01, 0.1)
    losses = [pinball_loss(values, np.full_like(values, best + off), quantile).mean() for off in offsets]

    assert min(losses) == losses[2]


def test_a_perfect_forecast_has_no_error() -> None:
    for loss in (absolute_error, squared_error, percentage_error, symmetric_error):
        assert not loss(TRUTH, TRUTH).any()


def test_symmetric_percentages_end_at_200() -> None:
    assert symmetric_error(np.array([1.0, 5.0]), np.array([-1.0, 0.0])).tolist() == [200, 200]
    assert not symmetric_error(np.zeros((2, 2)), np.zeros((2, 2))).any()


def test_percentages_take_the_size_of_a_negative_truth() -> None:
    assert percentage_error(np.array([-10.0]), np.array([-9.0])) == pytest.approx(10)


def test_skill_is_the_share_of_the_references_error_that_is_gone() -> None:
    found = skill(np.array([5.0, 10.0, 0.0, 15.0, 1.0, 0.0]), np.array([10.0, 10.0, 10.0, 10.0, 0.0, 0.0]))

    assert found == pytest.approx([0.5, 0, 1, -0.5, np.nan, np.nan], nan_ok=True)

"""How sure a mean is."""

import numpy as np
import pytest

from gristmill.util.block_bootstrap import confidence_interval, standard_error

NAN, INF = float("nan"), float("inf")


def test_the_interval_holds_the_mean_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        low, high = confidence_interval(random.normal(0.3, 1, 200), 0.95) or (0.0, 0.0)
        held += low <= 0.3 <= high
    assert 0.88 <= held / 200 <= 0.98


def test_blocks_keep_what_depends_on_its_neighbours_together() -> None:
    noise = np.random.default_rng(2).normal(size=4_000)
    swinging = np.convolve(noise, np.ones(20), mode="valid")

    def width(block: int) -> float:
        low, high = confidence_interval(swinging, 0.95, block) or (0.0, 0.0)
        return high - low

    error = standard_error(swinging, 60)
    assert error == pytest.approx(width(60) / (2 * 1.96), rel=0.05)
    # The mean of a moving sum of 20 varies as 20 · noise's mean: 2 · 1.96 · 20 / sqrt(4,000) = 1.24.
    assert width(60) == pytest.approx(1.24, rel=0.15)
    assert width(1) < 0.9 * width(60)


@pytest.mark.parametrize(("count", "block"), [(1, 1), (4, 1), (24, 5), (30, 28)])
def test_of_few_blocks_there_is_no_interval(count: int, block: int) -> None:
    assert confidence_interval(np.arange(count, dtype=float), 0.95, block) is None


def test_the_interval_is_the_same_each_time() -> None:
    interval = confidence_interval(np.arange(30.0), 0.95)
    assert interval is not None
    assert interval[0] < 14.5 < interval[1]
    assert interval == confidence_interval(np.arange(30.0), 0.95)


@pytest.mark.fault(34)
def test_of_differences_that_are_not_finite_there_is_no_interval() -> None:
    assert confidence_interval(np.array([1.0] * 20 + [NAN]), 0.95) is None
    assert standard_error(np.array([1.0] * 20 + [INF])) is None

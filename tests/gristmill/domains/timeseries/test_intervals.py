"""Conformal intervals: factors by hand, coverage near the nominal level, whatever the units."""

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.timeseries.intervals import DIFFERENCES, calibrate, local_scale, restored

RANDOM = np.random.default_rng(0)


def histories(windows: int, steps: Any = 1.0, history: int = 5) -> Any:
    """Return windows that rise by a step each time, (windows, history, 1): their local scale is the step."""
    return np.broadcast_to(np.asarray(steps, float).reshape(-1, 1), (windows, 1))[:, :, np.newaxis] * np.arange(
        history, dtype=float
    ).reshape(1, -1, 1)


@pytest.mark.parametrize(
    ("windows", "level", "rank"),
    [
        (9, 0.9, 9),  # ceil(10 * 0.9)
        (19, 0.9, 18),
        (20, 0.9, 19),  # ceil(18.9)
        (100, 0.9, 91),
        (99, 0.99, 99),
        (10, 0.5, 6),  # ceil(5.5)
        (8, 0.9, 8),  # too few for the level: the largest
        (1, 0.999, 1),
    ],
)
def test_the_factor_is_the_residual_of_the_finite_sample_rank(windows: int, level: float, rank: int) -> None:
    """Of absolute residuals 1, 2, 3, …, shuffled."""
    residuals = RANDOM.permutation(np.arange(1.0, windows + 1)) * RANDOM.choice([-1, 1], windows)
    truth = residuals.reshape(-1, 1, 1)

    found = calibrate(truth, np.zeros_like(truth), histories(windows), level)

    assert rank == min(windows, math.ceil(round((windows + 1) * level, 9)))
    assert found.factors.tolist() == [[rank]]
    assert (found.level, found.windows) == (level, windows)


def test_each_step_and_target_has_its_own_factor() -> None:
    truth = RANDOM.normal(size=(50, 3, 2)) * np.array([[1, 10], [2, 20], [3, 30]])
    seen = np.concatenate([histories(50), histories(50)], axis=2)

    found = calibrate(truth, np.zeros_like(truth), seen, 0.8)

    for step in range(3):
        for target in range(2):
            assert found.factors[step, target] == np.sort(np.abs(truth[:, step, target]))[math.ceil(51 * 0.8) - 1]


def test_the_half_width_is_the_factor_times_the_local_scale() -> None:
    truth = np.full((20, 1, 1), 6.0)
    found = calibrate(truth, np.zeros_like(truth), histories(20, 2.0), 0.9)

    assert found.factors.tolist() == [[3]]
    assert found.half_widths(histories(3, [2.0, 4.0, 10.0])).tolist() == [[[6]], [[12]], [[30]]]


def test_a_flat_window_counts_for_a_tenth_of_the_mean_scale() -> None:
    truth = np.full((20, 1, 1), 6.0)
    found = calibrate(truth, np.zeros_like(truth), histories(20, 2.0), 0.9)

    assert found.least.tolist() == pytest.approx([0.2])
    assert found.half_widths(histories(1, 0.0)).tolist() == [[[pytest.approx(0.6)]]]
    flat = calibrate(truth, np.zeros_like(truth), histories(20, 0.0), 0.9)
    assert flat.half_widths(histories(1, 0.0)).tolist() == [[[pytest.approx(6)]]]  # a series that never moved


def test_the_local_scale_is_the_mean_absolute_step_among_the_last_twelve() -> None:
    values = RANDOM.normal(size=(4, 30, 2))

    found = local_scale(values)

    for window in range(4):
        for column in range(2):
            last = values[window, -DIFFERENCES - 1 :, column]
            steps = [abs(after - before) for before, after in pairwise(last)]
            assert len(steps) == 12
            assert found[window, column] == pytest.approx(sum(steps) / 12)
    changed = values.copy()
    changed[:, :17] = 1e6
    assert np.array_equal(local_scale(changed), found)


def test_windows_of_one_value_count_alike() -> None:
    truth = np.arange(1.0, 11).reshape(-1, 1, 1)

    found = calibrate(truth, np.zeros_like(truth), np.full((10, 1, 1), 7.0), 0.5)

    assert found.half_widths(np.zeros((2, 1, 1))).tolist() == [[[6]], [[6]]]


@settings(max_examples=30)
@given(factor=st.floats(1e-6, 1e6), shift=st.floats(-1e3, 1e3), seed=st.integers(0, 9))
def test_intervals_are_in_the_units_of_the_values(factor: float, shift: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    truth, forecast, seen = (
        random.normal(size=(30, 2, 1)),
        random.normal(size=(30, 2, 1)),
        random.normal(size=(30, 9, 1)),
    )

    plain = calibrate(truth, forecast, seen, 0.8).half_widths(seen)
    moved = calibrate(truth * factor + shift * factor, forecast * factor + shift * factor, (seen + shift) * factor, 0.8)

    assert moved.half_widths((seen + shift) * factor) == pytest.approx(plain * factor, rel=1e-6)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("noise", ["normal", "exponential", "student"])
def test_coverage_of_exchangeable_noise_is_close_to_nominal(noise: str, level: float) -> None:
    """Of a forecast that is always wrong by the same too: nothing is assumed of model and distribution."""
    random = np.random.default_rng(1)
    draw = {
        "normal": random.normal,
        "exponential": random.exponential,
        "student": lambda size: random.standard_t(3, size),
    }
    series = draw[noise](size=(6000, 8, 1)).cumsum(axis=1)
    seen, truth = series[:, :6], series[:, 6:] + 0.5

    intervals = calibrate(truth[:3000], seen[:3000, -1:].repeat(2, axis=1), seen[:3000], level)
    half, middle = intervals.half_widths(seen[3000:]), seen[3000:, -1:]

    covered = (np.abs(truth[3000:] - middle) <= half).mean(axis=0)[:, 0]
    assert covered == pytest.approx([level, level], abs=0.03)


def test_coverage_is_at_least_nominal_on_average_with_few_windows() -> None:
    random = np.random.default_rng(2)
    covered = []
    for _ in range(400):
        series = random.normal(size=(20, 4, 1)).cumsum(axis=1)
        intervals = calibrate(series[:19, 3:], series[:19, 2:3], series[:19, :3], 0.9)
        covered.append(abs(series[19, 3, 0] - series[19, 2, 0]) <= intervals.half_widths(series[19:, :3])[0, 0, 0])

    assert np.mean(covered) == pytest.approx(0.9, abs=0.04)


def test_local_scales_make_rough_windows_wider_and_cover_both_kinds() -> None:
    random = np.random.default_rng(3)
    rough = np.where(np.arange(4000) % 2, 10.0, 1.0)
    series = (random.normal(size=(4000, 14)) * rough[:, np.newaxis]).cumsum(axis=1)[:, :, np.newaxis]
    seen, truth, middle = series[:, :13], series[:, 13:], series[:, 12:13]

    intervals = calibrate(truth[:2000], middle[:2000], seen[:2000], 0.9)
    covered = (np.abs(truth - middle) <= intervals.half_widths(seen))[2000:, 0, 0]

    assert covered[0::2].mean() == pytest.approx(0.9, abs=0.04)
    assert covered[1::2].mean() == pytest.approx(0.9, abs=0.04)


def test_intervals_are_kept_as_json() -> None:
    truth, seen = RANDOM.normal(size=(30, 2, 2)), RANDOM.normal(size=(30, 9, 3))
    found = calibrate(truth, np.zeros_like(truth), seen, 0.8)

    again = restored(json.loads(json.dumps(found.document())))

    assert (again.level, again.windows) == (0.8, 30)
    assert np.array_equal(again.half_widths(seen), found.half_widths(seen))
    assert found.half_widths(seen).shape == (30, 2, 2)

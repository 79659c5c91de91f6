"""Conformal quantiles: factors by hand, coverage near the nominal level, whatever the units."""

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.domains.timeseries.intervals.calibration import calibrate
from gristmill.domains.timeseries.intervals.quantiles import (
    DIFFERENCES,
    MAX_LAG,
    ROUGH,
    Intervals,
    LocalScale,
    intervals_of,
    local_of,
    scale_lag,
    with_quantiles,
)

RANDOM = np.random.default_rng(0)


def local_in(intervals: Intervals, histories: npt.NDArray[np.floating]) -> LocalScale:
    """Return the local scale and roughness of windows, (windows, history, columns), as the intervals have them."""
    return local_of(histories[:, -intervals.history :, : len(intervals.empty)], intervals.lag, intervals.empty)


def around_the_median(coverage: float) -> tuple[float, float, float]:
    """Return the levels of an interval."""
    return (1 - coverage) / 2, 0.5, (1 + coverage) / 2


def calibrated(truth: Any, forecast: Any, seen: Any, coverage: float = 0.9, lag: int = 1) -> Intervals:
    """Return an interval that is calibrated on windows."""
    targets = truth.shape[-1]
    local = local_of(seen[..., :targets], lag)
    return calibrate(truth, forecast, local, around_the_median(coverage), lag, [False] * targets)


def half_widths(intervals: Intervals, seen: Any) -> Any:
    """Return the distance of the highest quantile from the forecast, (windows, horizon, targets)."""
    zero = np.zeros((len(seen), *intervals.factors.shape[:2]))
    return intervals.around(zero, local_in(intervals, seen))[..., -1]


def histories(windows: int, steps: Any = 1.0, history: int = 5) -> Any:
    """Return windows that rise by a step each time, (windows, history, 1): their local scale is the step."""
    return np.broadcast_to(np.asarray(steps, float).reshape(-1, 1), (windows, 1))[:, :, np.newaxis] * np.arange(
        history, dtype=float
    ).reshape(1, -1, 1)


@pytest.mark.parametrize(
    ("windows", "coverage", "rank"),
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
def test_the_factor_is_the_residual_of_the_finite_sample_rank(windows: int, coverage: float, rank: int) -> None:
    """Of absolute residuals 1, 2, 3, …, shuffled."""
    residuals = RANDOM.permutation(np.arange(1.0, windows + 1)) * RANDOM.choice([-1, 1], windows)
    truth = residuals.reshape(-1, 1, 1)

    found = calibrated(truth, np.zeros_like(truth), histories(windows), coverage)

    assert rank == min(windows, math.ceil(round((windows + 1) * coverage, 9)))
    assert found.factors.tolist() == [[[-rank, 0, rank]]]
    assert found.windows == windows


def test_levels_that_are_close_have_ascending_factors() -> None:
    truth = RANDOM.standard_t(3, size=(50, 2, 1))
    levels = tuple(np.arange(1, 20) / 20)

    found = calibrate(truth, np.zeros_like(truth), LocalScale(np.ones((50, 1)), np.zeros(50)), levels, 1, [False])

    assert (np.diff(found.factors, axis=-1) >= 0).all()
    assert found.factors[..., 9].tolist() == [[0], [0]]
    assert found.factors == pytest.approx(-found.factors[..., ::-1])


def test_each_step_and_target_has_its_own_factor() -> None:
    truth = RANDOM.normal(size=(50, 3, 2)) * np.array([[1, 10], [2, 20], [3, 30]])
    seen = np.concatenate([histories(50), histories(50)], axis=2)

    found = calibrated(truth, np.zeros_like(truth), seen, 0.8)

    for step in range(3):
        for target in range(2):
            rank = math.ceil(51 * 0.8)
            assert found.factors[step, target, -1] == np.sort(np.abs(truth[:, step, target]))[rank - 1]


def test_the_half_width_is_the_factor_times_the_local_scale() -> None:
    truth = np.full((20, 1, 1), 6.0)
    found = calibrated(truth, np.zeros_like(truth), histories(20, 2.0))

    assert found.factors[..., -1].tolist() == [[3]]
    assert half_widths(found, histories(3, [2.0, 4.0, 10.0])).tolist() == [[[6]], [[12]], [[30]]]


def test_a_window_that_never_moves_has_a_scale_of_its_own_size() -> None:
    """Not one of the other series, which may be a thousand times as large."""
    truth = np.full((20, 1, 1), 6.0)
    found = calibrated(truth, np.zeros_like(truth), histories(20, 2.0))

    assert half_widths(found, np.full((1, 5, 1), 50.0)).tolist() == [[[pytest.approx(3 * 0.5)]]]
    assert half_widths(found, np.full((1, 5, 1), -5e6)).tolist() == [[[pytest.approx(3 * 5e4)]]]


def test_a_window_of_zeros_has_a_tenth_of_the_median_scale() -> None:
    truth = np.full((20, 1, 1), 6.0)
    found = calibrated(truth, np.zeros_like(truth), histories(20, [*[2.0] * 15, *[9000.0] * 5]))

    assert found.empty.tolist() == pytest.approx([0.2])
    assert half_widths(found, histories(1, 0.0)).tolist() == [[[pytest.approx(0.6)]]]
    zeros = calibrated(truth, np.zeros_like(truth), histories(20, 0.0))
    assert half_widths(zeros, histories(1, 0.0)).tolist() == [[[pytest.approx(6)]]]


@pytest.mark.parametrize("lag", [1, 4])
def test_the_local_scale_is_the_mean_of_the_last_differences(lag: int) -> None:
    values = RANDOM.normal(size=(4, 60, 2))

    found = local_of(values[:, -DIFFERENCES - lag :], lag).scale

    for window in range(4):
        for column in range(2):
            last = values[window, -DIFFERENCES - lag :, column]
            steps = [abs(after - before) for before, after in zip(last, last[lag:], strict=False)]
            assert len(steps) == DIFFERENCES
            assert found[window, column] == pytest.approx(sum(steps) / DIFFERENCES)


@pytest.mark.parametrize(("length", "lag"), [(40, 4), (9, 4), (5, 4), (2, 1)])
def test_values_before_a_series_begins_do_not_count(length: int, lag: int) -> None:
    series = RANDOM.normal(size=(3, length, 1))
    window = np.concatenate([np.full((3, 70 - length, 1), np.nan), series], axis=1)[:, -DIFFERENCES - lag :]

    steps = np.abs(series[:, lag:] - series[:, :-lag])[:, -DIFFERENCES:]

    assert local_of(window, lag).scale == pytest.approx(steps.mean(axis=1), rel=1e-5)


def test_a_series_that_is_not_longer_than_its_season_has_steps_instead() -> None:
    series = RANDOM.normal(size=(3, 4, 1))
    window = np.concatenate([np.full((3, 36, 1), np.nan), series], axis=1)

    steps = [[abs(after - before) for before, after in pairwise(one[:, 0])] for one in series]

    assert local_of(window, 4).scale[:, 0] == pytest.approx(np.mean(steps, axis=1), rel=1e-5)


@pytest.mark.parametrize("demands", [[], [5], [5, 12], [5, 12, 19, 26, 33], [0], [39]])
def test_single_demands_are_rough_however_rare_they_are(demands: list[int]) -> None:
    rare, busy = np.zeros((1, 40, 1)), np.full((1, 40, 1), 9.0) + np.arange(40).reshape(1, -1, 1) % 2
    rare[0, demands] = 3

    roughness = local_of(np.concatenate([rare, busy]), 1).roughness

    assert roughness[0] > ROUGH + 0.05  # so that no share of the quantiles is that of smooth windows
    assert roughness[1] < 0.2


def test_roughness_does_not_depend_on_the_scale_of_a_window_of_zeros() -> None:
    yearly = np.zeros((1, 48, 1))
    yearly[0, 11::12] = 60  # equal in each year

    plain, filled = (local_of(yearly, 12, empty) for empty in (0.0, 7.0))

    assert (plain.scale[0, 0], filled.scale[0, 0]) == (pytest.approx(0.6), pytest.approx(0.6))
    yearly = yearly[:, :-1]  # the last value is 0, so only `empty` gives a scale
    plain, filled = (local_of(yearly, 12, empty) for empty in (0.0, 7.0))
    assert (plain.scale[0, 0], filled.scale[0, 0]) == (0, 7)
    assert plain.roughness == filled.roughness == 0


def test_windows_of_one_value_count_alike() -> None:
    truth = np.arange(1.0, 11).reshape(-1, 1, 1)

    found = calibrated(truth, np.zeros_like(truth), np.full((10, 1, 1), 7.0), 0.5)

    assert half_widths(found, np.full((2, 1, 1), 7.0)) == pytest.approx(6)


def test_a_long_season_is_no_lag() -> None:
    assert [scale_lag(season) for season in (None, 12, MAX_LAG, MAX_LAG + 1)] == [1, 12, MAX_LAG, 1]


def test_quantiles_of_data_that_are_never_negative_are_not_either() -> None:
    truth, local = RANDOM.normal(size=(50, 1, 2)), LocalScale(np.ones((50, 2)), np.zeros(50))
    found = calibrate(truth, np.zeros_like(truth), local, (0.1, 0.5, 0.9), 1, [True, False])

    quantiles = found.around(np.array([[[0.5, 0.5]], [[-3.0, -3.0]]]), local.at(slice(2)))

    assert quantiles[0, 0, 0, 0] == 0 < quantiles[0, 0, 0, 1] < quantiles[0, 0, 0, 2]
    assert quantiles[1, 0, 0].tolist() == [0, 0, found.factors[0, 0, 2]]  # around 0, since the forecast is below
    assert (quantiles[:, 0, 1, 0] < 0).all()


@settings(max_examples=10)
@given(factor=st.floats(1e-3, 1e6), shift=st.floats(-10, 10), seed=st.integers(0, 9))
def test_intervals_are_in_the_units_of_the_values(factor: float, shift: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    shapes = (30, 2, 1), (30, 2, 1), (30, 9, 1)
    truth, forecast, seen = (random.normal(size=shape) for shape in shapes)

    plain = half_widths(calibrated(truth, forecast, seen, 0.8), seen)
    moved_truth, moved_forecast, moved_seen = ((values + shift) * factor for values in (truth, forecast, seen))
    moved = half_widths(calibrated(moved_truth, moved_forecast, moved_seen, 0.8), moved_seen)

    assert moved == pytest.approx(plain * factor, rel=1e-4)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("noise", ["normal", "exponential", "student"])
def test_coverage_of_exchangeable_noise_is_close_to_nominal(noise: str, coverage: float) -> None:
    """Of a forecast that is always wrong by the same too: nothing is assumed of model and distribution."""
    random = np.random.default_rng(1)
    draw = {
        "normal": random.normal,
        "exponential": random.exponential,
        "student": lambda size: random.standard_t(3, size),
    }
    series = draw[noise](size=(6000, 8, 1)).cumsum(axis=1)
    seen, truth = series[:, :6], series[:, 6:] + 0.5

    intervals = calibrated(truth[:3000], seen[:3000, -1:].repeat(2, axis=1), seen[:3000], coverage)
    half, middle = half_widths(intervals, seen[3000:]), seen[3000:, -1:]

    covered = (np.abs(truth[3000:] - middle) <= half).mean(axis=0)[:, 0]
    assert covered == pytest.approx([coverage, coverage], abs=0.03)


def test_coverage_is_at_least_nominal_on_average_with_few_windows() -> None:
    series = np.random.default_rng(2).normal(size=(20, 4, 400)).cumsum(axis=1)  # each target has its own factor
    intervals = calibrated(series[:19, 3:], series[:19, 2:3], series[:19, :3], 0.9)
    covered = np.abs(series[19:, 3] - series[19:, 2]) <= half_widths(intervals, series[19:, :3])[:, 0]

    assert covered.size == 400
    assert covered.mean() == pytest.approx(0.9, abs=0.04)


def test_local_scales_make_rough_windows_wider_and_cover_both_kinds() -> None:
    random = np.random.default_rng(3)
    rough = np.where(np.arange(4000) % 2, 10.0, 1.0)
    series = (random.normal(size=(4000, 38)) * rough[:, np.newaxis]).cumsum(axis=1)[:, :, np.newaxis]
    seen, truth, middle = series[:, :37], series[:, 37:], series[:, 36:37]

    intervals = calibrated(truth[:2000], middle[:2000], seen[:2000], 0.9)
    covered = (np.abs(truth - middle) <= half_widths(intervals, seen))[2000:, 0, 0]

    assert covered[0::2].mean() == pytest.approx(0.9, abs=0.04)
    assert covered[1::2].mean() == pytest.approx(0.9, abs=0.04)


def test_intervals_are_kept_as_json() -> None:
    truth, seen = RANDOM.normal(size=(30, 2, 2)), RANDOM.normal(size=(30, 9, 3))
    found = calibrated(truth, np.zeros_like(truth), seen, 0.8)

    again = intervals_of(json.loads(json.dumps(found.document())))

    assert (again.levels, again.windows) == (found.levels, 30)
    assert np.array_equal(half_widths(again, seen), half_widths(found, seen))
    assert half_widths(found, seen).shape == (30, 2, 2)


@pytest.mark.parametrize("ratios", [False, True])
@pytest.mark.parametrize("own_history", [5, 50, None])
def test_the_network_returns_the_quantiles_that_were_computed(own_history: int | None, ratios: bool) -> None:
    truth, seen = RANDOM.normal(size=(30, 2, 1)), RANDOM.normal(size=(30, 60, 2)).cumsum(axis=1)
    seen[:10, :30] = np.nan  # short series
    window = keras.Input((own_history, 2))
    network = keras.Model(window, keras.ops.repeat(window[:, -1:, :1], 2, axis=1) * np.float32(1.5))
    local = local_of(seen[:, -DIFFERENCES - 4 :, :1], 4)
    plain = calibrate(truth, np.zeros_like(truth), local, (0.1, 0.5, 0.8, 0.9), 4, [True])
    intervals = replace(plain, ratios=(ratios,))

    made = with_quantiles(network, intervals)

    assert made.input_shape == (None, own_history and max(own_history, DIFFERENCES + 4), 2)
    given = seen[:, -(made.input_shape[1] or 60) :].astype(np.float32)
    forecast = np.repeat(seen[:, -1:, :1], 2, axis=1) * 1.5
    outputs = np.asarray(made(given)).reshape(30, 2, 1, 5)
    assert outputs[..., 0] == pytest.approx(np.maximum(forecast, 0), rel=1e-6)
    assert outputs[..., 1:] == pytest.approx(intervals.around(forecast, local_in(intervals, seen)), rel=1e-4, abs=1e-5)
    if own_history is None:  # shorter than the scale's history
        assert np.isfinite(np.asarray(made(given[:, -3:]))).all()


def rough_and_smooth() -> tuple[Intervals, npt.NDArray[np.float32]]:
    """Return intervals with others for rough windows, and windows of 60 values from smooth to rough."""
    zeros, local = np.zeros((30, 2, 1)), LocalScale(np.ones((30, 1)), np.zeros(30))
    smooth, rough = (
        calibrate(RANDOM.normal(size=(30, 2, 1)), zeros, local, (0.1, 0.5, 0.9), 4, [True]) for _ in range(2)
    )
    noise = RANDOM.gamma(1, 1, size=(50, 60, 1)) * np.linspace(0, 3, 50).reshape(-1, 1, 1)
    return replace(smooth, rough=replace(rough, ratios=(True,))), (1 + noise).astype(np.float32)


def test_rough_windows_have_quantiles_of_their_own_and_change_gradually() -> None:
    intervals, seen = rough_and_smooth()

    def around(chosen: Intervals | None, roughness: float) -> npt.NDArray[np.float64]:
        local = LocalScale(np.full((1, 1), 2.0), np.array([roughness]))
        return chosen.around(np.full((1, 2, 1), 2.0), local) if chosen else np.empty(0)

    smooth = replace(intervals, rough=None)
    assert np.array_equal(around(intervals, 0.3), around(smooth, 0.3))
    assert np.array_equal(around(intervals, 0.67), around(intervals.rough, 0.67))
    assert around(intervals, ROUGH) == pytest.approx((around(smooth, ROUGH) + around(intervals.rough, ROUGH)) / 2)
    assert around(intervals, ROUGH - 1e-6) == pytest.approx(around(intervals, ROUGH + 1e-6), abs=1e-4)
    last = seen[:, -1:].repeat(2, axis=1).astype(float)
    assert (np.diff(intervals.around(last, local_in(intervals, seen)), axis=-1) >= 0).all()


def test_intervals_of_rough_windows_are_kept_and_shortened_with_the_others() -> None:
    intervals, seen = rough_and_smooth()
    forecast, local = seen[:, -1:].repeat(2, axis=1).astype(float), local_in(intervals, seen)

    again = intervals_of(json.loads(json.dumps(intervals.document())))

    assert np.array_equal(again.around(forecast, local), intervals.around(forecast, local))
    one = replace(intervals.first_step(), rough=None).around(forecast[:, :1], local)
    assert one == pytest.approx(replace(intervals, rough=None).around(forecast, local)[:, :1])
    assert intervals.first_step().around(forecast[:, :1], local) == pytest.approx(
        intervals.around(forecast, local)[:, :1]
    )


def test_the_network_has_the_quantiles_of_rough_and_of_smooth_windows() -> None:
    intervals, seen = rough_and_smooth()
    window = keras.Input((60, 1))
    network = keras.Model(window, keras.ops.repeat(window[:, -1:], 2, axis=1))

    made = np.asarray(with_quantiles(network, intervals)(seen)).reshape(50, 2, 1, 4)

    expected = intervals.around(seen[:, -1:].repeat(2, axis=1).astype(float), local_in(intervals, seen))
    assert made[..., 1:] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_a_network_of_any_length_has_the_scale_of_what_it_sees() -> None:
    seen = RANDOM.normal(size=(30, 60, 1)).cumsum(axis=1).astype(np.float32)
    window = keras.Input((None, 1))
    network = keras.Model(window, keras.ops.repeat(window[:, -1:], 2, axis=1))
    local = local_of(seen[:, -8:], 4)
    found = calibrate(RANDOM.normal(size=(30, 2, 1)), np.zeros((30, 2, 1)), local, (0.1, 0.5, 0.9), 4, [False])
    intervals = replace(found, max_history=8)
    expected = intervals.around(seen[:, -1:].repeat(2, axis=1), local)

    made = with_quantiles(network, intervals)

    assert intervals.history == 8
    for windows in (seen, seen[:, -8:]):
        assert np.asarray(made(windows)).reshape(30, 2, 1, 4)[..., 1:] == pytest.approx(expected, rel=1e-4, abs=1e-5)

"""Segments end where the level or the slope changes, and nowhere else."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from gristmill.domains.timeseries.patterns.change_points import (
    MAX_POINTS,
    MIN_SEGMENT_POINTS,
    _best_split,
    _running_sums,
    _squared_residuals,
    change_points,
    segments,
)

Values = npt.NDArray[np.float64]

SEEDS = range(20)


def noise(count: int, seed: int, alike: float = 0.0) -> Values:
    """Noise of deviation 1; the autocorrelation of neighbours is `alike`."""
    drawn = np.random.default_rng(seed).normal(size=count + 100)
    made: Values = lfilter([np.sqrt(1 - alike**2)], [1, -alike], drawn)[100:]
    return made


def shift(count: int, at: int, size: float) -> Values:
    return np.where(np.arange(count) >= at, size, 0.0)


def bend(count: int, at: int, slope: float) -> Values:
    return slope * np.maximum(0.0, np.arange(count) - at)


def wave(count: int, period: int, height: float = 5) -> Values:
    return height * np.sin(2 * np.pi * np.arange(count) / period)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [4, -8])
def test_a_shift_of_the_level_in_white_noise_is_found_within_two_observations(seed: int, size: float) -> None:
    found = change_points(noise(200, seed) + shift(200, 120, size), None)
    assert min(abs(at - 120) for at in found) <= 2
    assert len(found) <= 2  # noise alone alarms in one series of a hundred


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("slope", [0.5, -0.5])
def test_a_bend_in_white_noise_is_found_within_ten_observations(seed: int, slope: float) -> None:
    (found,) = change_points(noise(200, seed) + bend(200, 100, slope), None)
    assert abs(found - 100) <= 10


@pytest.mark.parametrize("seed", range(6))
def test_a_shift_among_neighbours_that_resemble_each_other_is_found(seed: int) -> None:
    """An AR(1) of 0.6; how much neighbours resemble each other takes a long series to tell."""
    found = change_points(noise(1500, seed, 0.6) + shift(1500, 750, 5), None)
    assert min(abs(at - 750) for at in found) <= 3


@pytest.mark.parametrize("seed", range(6))
def test_a_bend_among_neighbours_that_resemble_each_other_is_found(seed: int) -> None:
    found = change_points(noise(1500, seed, 0.6) + bend(1500, 750, 0.1), None)
    assert min(abs(at - 750) for at in found) <= 30


def test_a_shift_is_found_beneath_a_season() -> None:
    values = noise(240, 2) + wave(240, 24) + shift(240, 130, 8)
    assert change_points(values, 24) == [130]


def test_a_shift_in_a_series_longer_than_the_search_sees_is_found_within_a_block() -> None:
    count = 4 * MAX_POINTS
    found = change_points(noise(count, 0) + shift(count, 2400, 5), None)
    assert 2400 - 4 <= found[0] <= 2400 + 4


@pytest.mark.parametrize("season", [7, 1440])
def test_a_shift_beneath_the_season_of_a_long_series_is_found(season: int) -> None:
    count = 30_000
    values = 5 * wave(count, season) + noise(count, 0) + shift(count, 12_345, 1)

    (found,) = change_points(values, season)

    assert abs(found - 12_345) <= 40  # two of the points that 20 values each are averaged to


def test_two_changes_are_found_in_order() -> None:
    found = change_points(noise(300, 0) + shift(300, 100, 6) - shift(300, 200, 9), None)
    assert found == pytest.approx([100, 200], abs=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("base", "season"),
    [
        (np.zeros(200), None),
        (0.1 * np.arange(200), None),
        (wave(200, 12), 12),
        (0.1 * np.arange(200) + wave(200, 12), 12),
    ],
    ids=["white noise", "line", "season", "line and season"],
)
def test_where_nothing_changes_a_change_is_found_in_one_series_of_twenty_at_most(
    base: Values, season: int | None
) -> None:
    assert sum(bool(change_points(base + noise(200, seed), season)) for seed in SEEDS) <= 1


@pytest.mark.slow
def test_heavy_tails_alone_are_a_change_in_one_series_of_ten_at_most() -> None:
    """Student's t with five degrees of freedom."""
    assert sum(bool(change_points(np.random.default_rng(seed).standard_t(5, 400), None)) for seed in SEEDS) <= 2


def test_steps_without_any_noise_are_found_where_they_are() -> None:
    assert change_points(shift(300, 100, 5) - shift(300, 200, 7), None) == [100, 200]


@pytest.mark.parametrize(
    ("values", "season"),
    [
        (np.full(50, 3.0), None),
        (np.full(50, 3.0), 5),
        (np.arange(100.0), None),
        (np.tile([1.0, 2.0, 4.0], 30), 3),
        (np.ones(1), None),
        (np.array([1.0, 9.0]), None),
        (
            noise(2 * MIN_SEGMENT_POINTS, 0) + shift(2 * MIN_SEGMENT_POINTS, MIN_SEGMENT_POINTS, 50),
            None,
        ),  # one point goes for the first's predecessor
    ],
    ids=["constant", "constant in a season", "line", "season alone", "one value", "two values", "too short for two"],
)
def test_series_that_are_constant_exact_or_short_are_one_segment(values: Values, season: int | None) -> None:
    (only,) = segments(values, season)
    assert (only.begin, only.end) == (0, len(values))
    assert only.level == pytest.approx(values.mean())


def test_no_segment_is_shorter_than_a_season() -> None:
    season = 40
    values = noise(400, 0) + shift(400, 200, 9) - shift(400, 220, 9)
    edges = [0, *change_points(values, season), 400]
    assert min(end - begin for begin, end in itertools.pairwise(edges)) >= season


def test_a_segment_has_the_line_through_its_observations() -> None:
    at = np.arange(300)
    values = np.where(at < 150, 1 + 0.02 * at, 9.0) + 0.1 * noise(300, 1)

    rising, flat = segments(values, None)

    assert (rising.begin, rising.end, flat.begin, flat.end) == (0, 150, 150, 300)
    assert (rising.slope, flat.slope) == pytest.approx((0.02, 0), abs=1e-3)
    assert (rising.level, flat.level) == pytest.approx((1 + 0.02 * 74.5, 9), abs=0.05)
    assert (rising.deviation, flat.deviation) == pytest.approx((0.1, 0.1), rel=0.2)
    slope, level = np.polyfit(at[:150] - 74.5, values[:150], 1)
    assert (rising.slope, rising.level) == pytest.approx((slope, level))


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 120),
    size=st.floats(-20, 20),
    season=st.none() | st.integers(2, 30),
)
@settings(max_examples=40)
def test_segments_tile_the_series(seed: int, count: int, size: float, season: int | None) -> None:
    found = segments(noise(count, seed) + shift(count, count // 2, size), season)
    assert [found[0].begin, *(segment.end for segment in found)] == [*(segment.begin for segment in found), count]
    assert all(segment.begin < segment.end for segment in found)


@pytest.mark.parametrize(("factor", "offset"), [(1e-3, 0), (1e6, -1e8), (-1, 5)])
def test_the_unit_of_the_values_does_not_matter(factor: float, offset: float) -> None:
    values = noise(200, 3) + shift(200, 120, 5)
    assert change_points(values * factor + offset, None) == change_points(values, None) == [120]


@pytest.mark.parametrize("offset", [0, 1e6])
def test_the_cost_of_a_piece_is_what_a_fitted_line_leaves(offset: float) -> None:
    values = noise(200, 0) + bend(200, 90, 0.3) + offset
    sums = _running_sums(values)
    for begin, end in [(0, 200), (0, 2), (198, 200), (50, 61), (13, 150)]:
        at = np.arange(end - begin)
        rest = values[begin:end] - np.polyval(np.polyfit(at, values[begin:end] - offset, 1), at) - offset
        assert _squared_residuals(sums, np.array([begin]), end) == pytest.approx(np.square(rest).sum(), abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_other_split_costs_less(seed: int) -> None:
    points, places = noise(16, seed) + shift(16, 8, 3), np.arange(0, 16, 2)
    sums = _running_sums(points)

    def cost(inner: tuple[int, ...]) -> float:
        lines = list(itertools.pairwise([0, *inner, 16]))
        if min(end - begin for begin, end in lines) < 3:
            return np.inf
        return sum(float(_squared_residuals(sums, np.array([begin]), end)[0]) + 1 for begin, end in lines)

    every = [inner for count in range(5) for inner in itertools.combinations(places[1:].tolist(), count)]
    assert _best_split(points, places, 3, 1.0) == list(min(every, key=cost))

"""Holes filled, against pandas and by hand."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.timeseries.data import cleaning
from gristmill.domains.timeseries.data.cleaning import FILLERS, forward_fill, interpolate, seasonal

NAN = np.nan
values_with_holes = st.lists(st.sampled_from([NAN, 1.0, 2.5, -4.0, 7.0]), min_size=1, max_size=12)


def one(values: list[float]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    return np.array(values, float), np.zeros(len(values), np.int64)


def same(found: npt.NDArray[np.float64], expected: object) -> bool:
    return np.allclose(found, np.array(expected, float), equal_nan=True, rtol=1e-12, atol=1e-12)


def test_a_hole_lies_on_a_straight_line_between_its_ends() -> None:
    assert same(interpolate(*one([0, NAN, NAN, 6, NAN, 4])), [0, 2, 4, 6, 5, 4])


def test_a_hole_stays_at_the_last_value() -> None:
    assert same(forward_fill(*one([0, NAN, NAN, 6, NAN, 4])), [0, 0, 0, 6, 6, 4])


@pytest.mark.parametrize("fill", FILLERS.values())
def test_a_hole_at_an_end_takes_the_value_it_touches(fill: object) -> None:
    assert callable(fill)
    assert same(fill(*one([NAN, NAN, 3, NAN, 3, NAN])), [3] * 6)


@given(st.lists(values_with_holes, min_size=1, max_size=4))
def test_every_series_is_filled_by_itself_as_pandas_does(series: list[list[float]]) -> None:
    numbers = np.repeat(np.arange(len(series)), [len(values) for values in series])
    lines = [pd.Series(values, dtype=float).interpolate(limit_direction="both") for values in series]
    assert same(interpolate(np.concatenate(series), numbers), np.concatenate(lines))
    forward = [pd.Series(values, dtype=float).ffill().bfill() for values in series]
    assert same(forward_fill(np.concatenate(series), numbers), np.concatenate(forward))


@given(values_with_holes)
def test_nothing_but_holes_is_changed(values: list[float]) -> None:
    before, series = one(values)
    known = ~np.isnan(before)
    for fill in FILLERS.values():
        after = fill(before, series)
        assert same(after[known], before[known])
        assert not np.isnan(after).any() or not known.any()
    assert same(before, values)


def wave(length: int, season: int) -> npt.NDArray[np.float64]:
    """A season on a rising line."""
    time = np.arange(length)
    return 0.5 * time + np.array([0.0, 9, 4, -6, -7, 1, 2])[time % season]


@pytest.mark.parametrize("hole", [slice(20, 21), slice(40, 45), slice(100, 112)], ids=["a day", "days", "over a week"])
def test_a_season_on_a_line_is_restored_whole(hole: slice) -> None:
    whole, series = wave(140, 7), np.zeros(140, np.int64)
    broken = whole.copy()
    broken[hole] = NAN
    assert same(seasonal(broken, series), whole)
    assert not same(interpolate(broken, series), whole)


def seasons_of(monkeypatch: pytest.MonkeyPatch, season: int) -> None:
    monkeypatch.setattr(cleaning, "find_season", lambda values: season)


def test_later_seasons_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that ends between a hole and a later season would know it before its time."""
    seasons_of(monkeypatch, 7)
    broken, series = wave(30, 7), np.zeros(30, np.int64)
    broken[2:5] = NAN
    assert same(seasonal(broken, series), interpolate(broken, series))


def test_the_shape_is_the_mean_of_three_seasons_before(monkeypatch: pytest.MonkeyPatch) -> None:
    seasons_of(monkeypatch, 2)
    values, series = one([0, 9, 0, 1, 0, 4, 0, 7, 0, NAN, 0, 100, 0])
    assert seasonal(values, series)[9] == pytest.approx((1 + 4 + 7) / 3)
    values[7] = NAN  # a season with a hole there does not count, nor does what was filled in
    assert seasonal(values, series)[9] == pytest.approx((9 + 1 + 4) / 3)
    assert seasonal(values, series)[7] == pytest.approx((9 + 1 + 4) / 3)


def test_a_hole_without_another_whole_season_lies_on_a_straight_line(monkeypatch: pytest.MonkeyPatch) -> None:
    seasons_of(monkeypatch, 4)
    values, series = one([0, 1, NAN, 3, 4, 5, NAN, 8])
    assert same(seasonal(values, series), interpolate(values, series))


def test_what_the_shape_misses_at_both_ends_is_spread_over_the_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    seasons_of(monkeypatch, 5)
    values, series = one([0, 1, 5, 2, 3, 10, NAN, NAN, NAN, 33])
    assert same(seasonal(values, series)[6:9], [1 + 15, 5 + 20, 2 + 25])  # ends differ by 10 and by 30


def test_holes_at_the_ends_and_beside_each_other_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    seasons_of(monkeypatch, 3)
    values, series = one([NAN, 5, 0, 1, 5, 0, 1, NAN, 0, NAN, 5, 0, 1, NAN])
    assert same(seasonal(values, series), [5, 5, 0, 1, 5, 0, 1, 5, 0, 1, 5, 0, 1, 1])


def test_without_a_season_holes_lie_on_straight_lines() -> None:
    values = np.random.default_rng(0).normal(size=200).cumsum()
    values[[5, 50, 51, 52]] = NAN
    series = np.zeros(200, np.int64)
    assert same(seasonal(values, series), interpolate(values, series))


def test_each_series_has_its_own_season() -> None:
    long, short = wave(140, 7), wave(120, 5)
    series = np.repeat([0, 1], [140, 120])
    broken = np.concatenate([long, short])
    broken[[50, 51, 52, 202, 203]] = NAN
    assert same(seasonal(broken, series), np.concatenate([long, short]))

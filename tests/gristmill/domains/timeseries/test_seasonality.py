"""Seasons are found where something repeats, and nowhere else."""

import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import f, norm

from gristmill.domains.timeseries.patterns import seasonality
from gristmill.domains.timeseries.patterns.seasonality import autocorrelation, explained, find_season, replication
from helpers.course_series import main_series

SAMPLES = Path(__file__).parents[4] / "data/samples"

Values = npt.NDArray[np.float64]


def wave(length: int, period: float, noise: float, seed: int = 0) -> Values:
    return np.sin(2 * np.pi * np.arange(length) / period) + noise * np.random.default_rng(seed).normal(size=length)


@pytest.mark.parametrize("period", [7, 12, 24])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length", [300, 5000])
def test_a_wave_in_noise_is_found_exactly(period: int, seed: int, length: int) -> None:
    assert find_season(wave(length, period, 0.5, seed)) == period
    assert find_season(0.01 * np.arange(length) + wave(length, period, 0.5, seed)) == period


@pytest.mark.parametrize("shape", [[1, 2, 3, 4], [5, 1, 1, 1, 1, 1, 1], [0, 0, 1], [1, 2]])
def test_a_shape_without_noise_is_found(shape: list[int]) -> None:
    assert find_season(np.array(shape * 8, np.float64)) == len(shape)


@pytest.mark.parametrize(("factor", "offset"), [(1, 0), (1e-6, 0), (1e6, -1e8), (-1, 5)])
def test_the_course_series_has_a_year_in_any_unit(factor: float, offset: float) -> None:
    assert find_season(main_series()[:1000] * factor + offset) == 365


def test_daily_temperatures_have_a_year() -> None:
    assert find_season(sample("seattle-weather", "temp_max")) == pytest.approx(365, abs=5)


def test_weekly_carbon_dioxide_has_a_year_of_52_weeks() -> None:
    assert find_season(carbon_dioxide()) == 52


def test_sunspot_cycles_differ_too_much_for_a_season() -> None:
    assert find_season(sample("sunspots", "sunspots")) is None


@pytest.mark.parametrize(("week", "year", "expected"), [(3, 1, 7), (1, 3, 365), (5, 1, 7), (1, 5, 365)])
@pytest.mark.parametrize("seed", range(3))
def test_of_a_week_in_a_year_the_stronger_is_found(week: float, year: float, expected: int, seed: int) -> None:
    values = week * wave(1461, 7, 0.5, seed) + year * wave(1461, 365, 0)

    assert find_season(values) == pytest.approx(expected, abs=expected // 40)


@pytest.mark.parametrize("length", [300, 2000])
def test_a_day_with_two_rush_hours_is_a_day(length: int) -> None:
    hour = np.arange(length) % 24
    traffic = np.select([np.isin(hour, (7, 8)), np.isin(hour, (19, 20))], [3.0, 5.0], 0.0)

    assert find_season(traffic + np.random.default_rng(0).normal(0, 0.5, length)) == 24


def test_a_week_in_a_random_walk_is_found() -> None:
    rng = np.random.default_rng(1)
    week = np.array([0, 0, 0, 0, 0, 4.0, 4.0])

    assert find_season(rng.normal(size=1000).cumsum() + week[np.arange(1000) % 7]) == 7


NOISES = {
    "white": lambda noise: noise,
    "heavy tails": lambda noise: np.sign(noise) * np.abs(noise) ** 3,
    "random walk": lambda noise: noise.cumsum(),
    "random walk with drift": lambda noise: (noise + 0.1).cumsum(),
    "twice integrated": lambda noise: noise.cumsum().cumsum(),
    "autoregression": lambda noise: lfilter([1], [1, -0.9], noise),
    "trend": lambda noise: noise + np.linspace(0, 5, len(noise)) ** 2,
    "step": lambda noise: noise + 5 * (np.arange(len(noise)) > 0.6 * len(noise)),
    "rare spikes": lambda noise: np.where(noise > 2, noise**3, 0),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("length", [12, 50, 300, 1000])
def test_what_never_repeats_has_no_season(noise: str, length: int) -> None:
    found = [find_season(NOISES[noise](np.random.default_rng(seed).normal(size=length))) for seed in range(20)]

    assert sum(season is not None for season in found) <= 1, found


@pytest.mark.parametrize("values", [[], [1], [1, 2], [3] * 50, list(range(50)), [0.1 * n for n in range(500)]])
def test_too_few_values_constants_and_lines_have_no_season(values: list[float]) -> None:
    assert find_season(np.array(values, np.float64)) is None


def test_two_whole_periods_are_needed() -> None:
    values = wave(96, 24, 0.05)

    assert find_season(values) == 24
    assert find_season(values[:72]) == 24
    assert find_season(values[:47]) is None


def test_only_the_last_values_of_a_long_series_are_looked_at() -> None:
    most = seasonality.MAX_OBSERVATIONS

    assert find_season(np.concatenate([wave(5 * most, 10, 0.5), wave(most, 17, 0.5)])) == 17


def test_autocorrelation_equals_a_loop() -> None:
    values = np.random.default_rng(0).normal(size=30)
    centred = values - values.mean()
    expected = [sum(centred[at] * centred[at - lag] for at in range(lag, 30)) / sum(centred**2) for lag in range(30)]

    assert autocorrelation(values) == pytest.approx(np.array(expected))
    assert autocorrelation(np.ones(4)).tolist() == [1, 0, 0, 0]


@pytest.mark.slow
def test_the_explained_variance_is_that_of_the_shape() -> None:
    assert explained(np.tile([1.0, -1.0, 3.0], 5), 3) == pytest.approx(np.var([1, -1, 3]))

    noise = np.random.default_rng(0).normal(size=24 * 100_000)
    assert explained(noise + np.tile(wave(24, 24, 0), 100_000), 24) == pytest.approx(0.5, abs=0.002)


def test_the_score_of_independent_normal_values_is_that_of_the_f_distribution() -> None:
    values = np.random.default_rng(3).normal(size=(60, 12)) + 0.5 * wave(12, 12, 0)
    periods = values - values.mean(axis=1, keepdims=True)
    shape = periods.mean(axis=0)
    ratio = 60 * np.sum(shape**2) / (np.sum((periods - shape) ** 2) / 59)

    assert replication(values.ravel(), 12) == pytest.approx(norm.isf(f.sf(ratio, 11, 11 * 59)), rel=0.05)


def sample(name: str, column: str) -> Values:
    return pd.read_csv(SAMPLES / f"{name}.csv")[column].to_numpy(np.float64)


def carbon_dioxide() -> Values:
    spec = importlib.util.find_spec("statsmodels")
    assert spec is not None
    assert spec.origin is not None
    return pd.read_csv(Path(spec.origin).parent / "datasets/co2/co2.csv")["co2"].interpolate().to_numpy(np.float64)

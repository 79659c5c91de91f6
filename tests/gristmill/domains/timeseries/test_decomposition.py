"""The parts of a series add up to it; tests and sentences are right for series whose answer is known."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter

from gristmill.domains.timeseries.patterns import decomposition
from gristmill.domains.timeseries.patterns.decomposition import (
    MIN_LAGS,
    MIN_OBSERVATIONS,
    SIGNIFICANCE,
    decompose,
    find_patterns,
    sentences,
    write_patterns,
)
from gristmill.util.table_io import read_document, read_table
from helpers.small_runs import assembled, months

pytestmark = pytest.mark.filterwarnings("error")

Values = npt.NDArray[np.float64]

AT = np.arange(600)
NOISE = np.random.default_rng(0).normal(size=600)
WAVE = 10 * np.sin(2 * np.pi * AT / 12)
WALK = np.cumsum(NOISE)
TESTS = ("unit_root", "stationary", "steps_are_noise")
CUT = {"history": 6, "validation": 40, "test": 40}


def said_of(values: Values, season: int | None) -> str:
    return " ".join(sentences(find_patterns(values, season).summary))


@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60).map(np.array),
    season=st.none() | st.integers(0, 70),
)
@settings(max_examples=80)
def test_the_parts_of_any_series_add_up_to_it(values: Values, season: int | None) -> None:
    trend, seasonal, remainder = decompose(values, season)
    assert trend.shape == seasonal.shape == remainder.shape == values.shape
    assert np.allclose(trend + seasonal + remainder, values, rtol=1e-9, atol=1e-6)
    if season is None or season < 2 or 2 * season > len(values):
        assert not seasonal.any()


def test_trend_season_and_remainder_are_those_that_were_put_together() -> None:
    line = 0.05 * AT
    trend, seasonal, remainder = decompose(line + WAVE + 0.5 * NOISE, 12)
    assert np.abs(trend - line).max() < 1
    assert np.abs(seasonal - WAVE).max() < 1
    assert np.corrcoef(remainder, NOISE)[0, 1] > 0.8


def test_without_a_season_the_trend_follows_what_bends_slowly() -> None:
    bent = 20 * np.square(AT / 600)
    trend, _, _ = decompose(bent + NOISE, None)
    assert np.abs(trend - bent).max() < 1
    assert decompose(2 + 3.0 * AT, None)[0] == pytest.approx(2 + 3.0 * AT)


@pytest.mark.parametrize("season", [2, 3, 7, 50])
def test_a_season_that_repeats_exactly_is_all_that_there_is(season: int) -> None:
    shape = np.random.default_rng(season).normal(size=season)
    found = find_patterns(np.tile(shape, 150 // season), season)
    assert found.summary["strength_of_season"] == pytest.approx(1)
    assert np.ptp(found.trend) == pytest.approx(0, abs=1e-6)
    assert found.seasonal + found.trend == pytest.approx(np.tile(shape, 150 // season), abs=1e-6)


def test_the_strength_of_a_season_tells_a_strong_one_from_none() -> None:
    strong, none = find_patterns(WAVE + NOISE, 12), find_patterns(NOISE, 12)
    assert strong.summary["strength_of_season"] is not None
    assert none.summary["strength_of_season"] is not None
    assert strong.summary["strength_of_season"] > 0.95
    assert none.summary["strength_of_season"] < 0.3
    assert find_patterns(NOISE, None).summary["strength_of_season"] is None


def test_strengths_are_the_shares_of_variance_that_the_remainder_does_not_have() -> None:
    found = find_patterns(WAVE + 0.02 * AT + NOISE, 12)
    left = np.var(found.remainder)
    assert found.summary["strength_of_trend"] == pytest.approx(1 - left / np.var(found.trend + found.remainder))
    assert found.summary["strength_of_season"] == pytest.approx(1 - left / np.var(found.seasonal + found.remainder))


def test_the_strength_of_a_trend_tells_a_line_from_noise() -> None:
    assert find_patterns(0.1 * AT + NOISE, None).summary["strength_of_trend"] > 0.95
    assert find_patterns(NOISE, None).summary["strength_of_trend"] < 0.1


@pytest.mark.parametrize(
    ("values", "wanders", "returns", "noise"),
    [(NOISE, False, True, False), (WALK, True, False, True), (lfilter([1], [1, -0.8], NOISE), False, True, False)],
    ids=["white noise", "random walk", "AR(1)"],
)
def test_the_tests_tell_a_level_that_wanders_from_one_that_is_returned_to(
    values: Values, wanders: bool, returns: bool, noise: bool
) -> None:
    unit_root, stationary, steps_are_noise = (find_patterns(values, None).summary[name] for name in TESTS)
    assert unit_root is not None
    assert stationary is not None
    assert steps_are_noise is not None
    assert (unit_root >= SIGNIFICANCE, stationary >= SIGNIFICANCE) == (wanders, returns)
    assert (steps_are_noise >= SIGNIFICANCE) == noise


def test_the_tests_of_the_level_see_the_series_without_its_season() -> None:
    with_season, without = find_patterns(WALK + 10 * WAVE, 12), find_patterns(WALK, None)
    assert with_season.summary["unit_root"] == pytest.approx(without.summary["unit_root"], abs=0.1)
    assert with_season.summary["stationary"] == without.summary["stationary"] == 0.01  # where KPSS's table ends


def test_the_autocorrelation_is_the_usual_one_and_reaches_over_two_seasons() -> None:
    found = find_patterns(WAVE + NOISE, 12)
    centred = WAVE + NOISE - (WAVE + NOISE).mean()
    by_hand = [centred[: 600 - lag] @ centred[lag:] / (centred @ centred) for lag in range(MIN_LAGS + 1)]
    assert found.autocorrelation == pytest.approx(by_hand)
    assert found.summary["bound"] == pytest.approx(1.96 / np.sqrt(600))
    assert len(find_patterns(NOISE, 50).autocorrelation) == 2 * 50 + 1
    assert len(find_patterns(NOISE[:10], None).autocorrelation) == 10


def test_of_a_long_series_the_last_observations_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decomposition, "MAX_OBSERVATIONS", 100)
    found, of_the_last = find_patterns(NOISE, None), find_patterns(NOISE[-100:], None)
    assert (found.begin, of_the_last.begin) == (500, 0)
    assert np.array_equal(found.trend, of_the_last.trend)
    assert found.summary == of_the_last.summary


def test_a_constant_series_has_its_level_and_nothing_to_test() -> None:
    found = find_patterns(np.full(50, 3.0), None)
    assert (found.trend == 3).all()
    assert not found.seasonal.any()
    assert not found.remainder.any()
    assert found.summary["strength_of_trend"] == 0
    assert [found.summary[name] for name in TESTS] == [None] * 3
    assert sentences(found.summary) == [
        "The trend is weak (strength 0.00 of 1); no season was found.",
        "The autocorrelation at lag 1 is 0.00; of white noise it would be within ±0.28.",
    ]


@pytest.mark.parametrize("count", range(1, MIN_OBSERVATIONS))
def test_a_short_series_is_its_mean_and_is_not_tested(count: int) -> None:
    found = find_patterns(NOISE[:count], None)
    assert found.trend == pytest.approx(np.full(count, NOISE[:count].mean()))
    assert [found.summary[name] for name in TESTS] == [None] * 3
    assert len(sentences(found.summary)) == min(count, 2)  # one value has no neighbour


def test_a_series_of_the_least_length_is_tested() -> None:
    found = find_patterns(NOISE[:MIN_OBSERVATIONS], None)
    assert None not in [found.summary[name] for name in TESTS]


@pytest.mark.parametrize("values", [AT * 1.0, 1e9 + AT, np.tile([1.0, 2.0], 300)])
def test_what_has_no_noise_breaks_no_test(values: Values) -> None:
    found = find_patterns(values, 2 if values[2] == values[0] else None).summary
    assert all(value is None or np.isfinite(value) for value in found.values())


@pytest.mark.parametrize(("season", "kept"), [(None, None), (0, None), (1, None), (2, 2), (10, 10), (11, None)])
def test_a_season_that_is_not_seen_twice_is_none(season: int | None, kept: int | None) -> None:
    found = find_patterns(NOISE[:20], season)
    assert (found.summary["season"], found.summary["strength_of_season"] is None) == (kept, kept is None)


def test_the_summary_describes_the_parts() -> None:
    found = find_patterns(WAVE + NOISE, 12)
    assert (found.summary["observations"], found.summary["season"]) == (600, 12)
    assert found.summary["deviation_of_remainder"] == pytest.approx(found.remainder.std())
    assert found.summary["autocorrelation"] == pytest.approx(found.autocorrelation[1])


def test_sentences_say_what_the_numbers_mean() -> None:
    assert sentences(
        {
            "strength_of_trend": 0.6,
            "strength_of_season": 0.3,
            "season": 7,
            "autocorrelation": -0.25,
            "bound": 0.1,
            "unit_root": 0.0004,
            "stationary": 0.1,
            "steps_are_noise": 0.04,
        }
    ) == [
        "The trend is strong (strength 0.60 of 1); the season of 7 observations is moderate (0.30).",
        "The autocorrelation at lag 1 is -0.25; of white noise it would be within ±0.10.",
        "The series is stationary: it keeps returning to one level (p-values: ≤ 0.001 for a unit root by ADF, ≥ 0.1 "
        "for none by KPSS).",
        "Its differences are not white noise (Ljung-Box, p 0.040): past differences predict the next one.",
    ]


@pytest.mark.parametrize(
    ("unit_root", "stationary", "said"),
    [
        (0.01, 0.05, "The series is stationary: it keeps returning"),
        (0.05, 0.01, "The series is not stationary: its level wanders"),
        (0.01, 0.01, "The series is stationary only for a while"),
        (0.5, 0.1, "There are too few or too noisy observations"),
    ],
)
def test_what_the_two_tests_of_the_level_say_together(unit_root: float, stationary: float, said: str) -> None:
    found = find_patterns(NOISE, None).summary | {"unit_root": unit_root, "stationary": stationary}
    assert sentences(found)[2].startswith(said)


def test_real_examples_are_described_as_what_they_are() -> None:
    assert "the season of 12 observations is strong" in said_of(WAVE + NOISE, 12)
    assert "the last value will be hard to beat" in said_of(WALK, None)
    assert "its level wanders" in said_of(WALK, None)
    assert "The series is stationary: " in said_of(NOISE, None)


def test_patterns_are_of_the_training_part(tmp_path: Path) -> None:
    data = assembled(50 + WAVE[:200] + NOISE[:200], season=12, **CUT)

    write_patterns(data, tmp_path)

    studied = data.values[:120, 0].astype(np.float64)
    found = find_patterns(studied, 12)
    written = read_document(tmp_path / "patterns.json")
    assert written == found.summary | {"series": "series 0", "autocorrelations": found.autocorrelation.tolist()}
    parts = read_table(tmp_path / "decomposition.parquet")
    assert parts.columns.tolist() == ["ds", "trend", "season", "remainder"]
    assert parts["ds"].tolist() == months(120).tolist()
    assert (parts["trend"] + parts["season"] + parts["remainder"]).to_numpy() == pytest.approx(studied)
    assert parts["season"].to_numpy() == pytest.approx(found.seasonal)


def test_patterns_are_those_of_the_longest_training_part(tmp_path: Path) -> None:
    short, long = 50 + NOISE[:90], 50 + NOISE[100:300] + WAVE[:200]
    data = assembled(short, long, starts=[110, 0], **CUT)

    write_patterns(data, tmp_path)

    assert read_document(tmp_path / "patterns.json")["series"] == "series 1"
    parts = read_table(tmp_path / "decomposition.parquet")
    assert parts["ds"].tolist() == months(120).tolist()
    assert parts[["trend", "season", "remainder"]].sum(axis=1).to_numpy() == pytest.approx(long[:120], rel=1e-6)


def test_of_a_long_series_the_last_observations_are_decomposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.domains.timeseries.patterns.decomposition.MAX_OBSERVATIONS", 50)

    write_patterns(assembled(NOISE[:200], **CUT), tmp_path)

    assert read_table(tmp_path / "decomposition.parquet")["ds"].tolist() == months(120)[-50:].tolist()

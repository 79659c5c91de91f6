"""What the training part shows: a season that is set or found, patterns of the series with the longest one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gristmill.domains.timeseries.decomposition import find_patterns, notes
from gristmill.domains.timeseries.settings import Evaluate
from gristmill.domains.timeseries.study import with_season, write_patterns
from gristmill.util.table_io import read_document, read_table
from helpers.small_runs import assembled, months

NOISE = np.random.default_rng(0).normal(size=300)
WAVE = 10 * np.sin(2 * np.pi * np.arange(300) / 12)
CUT = {"history": 6, "validation": 40, "test": 40}


def test_the_season_is_found_in_the_training_part_or_set() -> None:
    waves = assembled(50 + WAVE[:200] + NOISE[:200], **CUT)

    assert with_season(Evaluate(level=0.8), waves) == Evaluate(level=0.8, season=12)
    assert with_season(Evaluate(season=7), waves) == Evaluate(season=7)
    assert with_season(Evaluate(), assembled(NOISE[:200], **CUT)) == Evaluate()


def test_the_season_does_not_change_with_what_comes_after_the_training_part() -> None:
    waves = assembled(50 + WAVE[:200] + NOISE[:200], **CUT)
    values = waves.values.copy()
    values[120:, 0] = 1e4 * np.sin(2 * np.pi * np.arange(80) / 5)

    assert with_season(Evaluate(), replace(waves, values=values)).season == 12


def test_patterns_are_of_the_training_part(tmp_path: Path) -> None:
    data = assembled(50 + WAVE[:200] + NOISE[:200], **CUT)

    write_patterns(data, 12, tmp_path)

    studied = data.values[:120, 0].astype(np.float64)
    found = find_patterns(studied, 12)
    written = read_document(tmp_path / "patterns.json")
    assert written == notes(found) | {"series": "series 0", "autocorrelations": found.autocorrelation.tolist()}
    parts = read_table(tmp_path / "decomposition.parquet")
    assert parts.columns.tolist() == ["ds", "trend", "season", "remainder"]
    assert parts["ds"].tolist() == months(120).tolist()
    assert (parts["trend"] + parts["season"] + parts["remainder"]).to_numpy() == pytest.approx(studied)
    assert parts["season"].to_numpy() == pytest.approx(found.seasonal)


def test_of_several_series_the_longest_training_part_is_looked_at(tmp_path: Path) -> None:
    short, long = 50 + NOISE[:90], 50 + NOISE[100:300] + WAVE[:200]
    data = assembled(short, long, starts=[110, 0], **CUT)

    write_patterns(data, None, tmp_path)

    assert with_season(Evaluate(), data).season == 12
    assert read_document(tmp_path / "patterns.json")["series"] == "series 1"
    parts = read_table(tmp_path / "decomposition.parquet")
    assert parts["ds"].tolist() == months(120).tolist()
    assert parts[["trend", "season", "remainder"]].sum(axis=1).to_numpy() == pytest.approx(long[:120], rel=1e-6)


def test_of_a_long_series_the_last_observations_are_decomposed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.domains.timeseries.decomposition.LONGEST", 50)

    write_patterns(assembled(NOISE[:200], **CUT), None, tmp_path)

    assert read_table(tmp_path / "decomposition.parquet")["ds"].tolist() == months(120)[-50:].tolist()

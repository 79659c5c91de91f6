"""Scores: what is written is read back as it was, and a score that is missing is never the best."""

import json
import math
from pathlib import Path

import pytest

from gristmill.scores import FILE, Headline, Scores, rank, summarise, write_exported
from gristmill.util.table_io import read_document, write_document

SCORED = {
    "model": {"validation": {"mae": 1.5}, "test": {"mae": 1.0}},
    "naive": {"validation": {"mae": 2.5}, "test": {"mae": 2.0}},
    "wild": {"test": {"mae": math.nan}},
    "ar": {"validation": {"mae": 2.2}, "test": {"mae": 3.0}},
}


def test_a_summary_names_the_best_baseline_and_keeps_its_keys_in_order(tmp_path: Path) -> None:
    write_document(tmp_path / FILE, summarise(SCORED, "mae", ["mae"]))

    written = json.loads((tmp_path / FILE).read_text())
    assert list(written) == ["model", "baselines", "best_baseline", "shown", "headline"]
    assert written["headline"] == {"metric": "mae", "model": 1.0, "baseline": 2.0}
    scores = Scores.read(tmp_path)
    assert (scores.best_baseline, scores.metric, scores.shown) == ("naive", "mae", ["mae"])
    assert (scores.test, scores.validation, scores.higher_is_better) == (1.0, 1.5, False)
    assert [name for name, _ in scores.best_first("test")] == ["model", "naive", "ar", "wild"]
    assert [name for name, _ in scores.best_first("validation")] == ["model", "ar", "naive"]
    assert scores.summary.as_json() == written["headline"] | {"validation": 1.5}


def test_the_direction_of_a_metric_is_written_where_it_is_given() -> None:
    found = summarise(SCORED, "mae", [], higher_is_better=True)

    assert found["best_baseline"] == "ar"
    assert found["headline"]["higher_is_better"] is True


def test_warnings_are_written_and_read(tmp_path: Path) -> None:
    write_document(tmp_path / FILE, summarise(SCORED, "mae", [], warnings=["few windows"]))

    assert Scores.read(tmp_path).warnings == ["few windows"]


def test_an_export_adds_what_it_measured_and_changes_nothing_else(tmp_path: Path) -> None:
    evaluate, export = tmp_path / "evaluate", tmp_path / "export"
    evaluate.mkdir()
    export.mkdir()
    document = summarise(SCORED, "mae", ["mae"]) | {"level": 0.9}
    write_document(evaluate / FILE, document)

    write_exported(export, evaluate, parity=1e-6)

    assert list(read_document(export / FILE).items())[-2:] == [("level", 0.9), ("parity", 1e-6)]
    assert Scores.read(export).parity == 1e-6


@pytest.mark.parametrize(
    ("model", "baseline", "higher", "beats"),
    [
        (1.0, 2.0, False, True),
        (1.0, 2.0, True, False),
        (1.0, 1.0, False, False),
        (1.0, 1.0000001, False, False),  # a difference by rounding
        (None, 1.0, False, False),
        (1.0, None, False, True),
    ],
)
def test_a_missing_score_never_beats_another(
    model: float | None, baseline: float | None, higher: bool, beats: bool
) -> None:
    headline = Headline.model_validate(
        {"metric": "mae", "model": model, "baseline": baseline, "higher_is_better": higher}
    )
    assert headline.beats_baseline is beats


@pytest.mark.fault(34)
def test_what_cannot_be_computed_is_never_the_best() -> None:
    scores = [None, 3.0, math.nan, math.inf, 1.0]

    assert sorted(scores, key=rank)[:3] == [1.0, 3.0, math.inf]
    assert sorted(scores, key=lambda score: rank(score, higher_is_better=True))[:3] == [math.inf, 3.0, 1.0]

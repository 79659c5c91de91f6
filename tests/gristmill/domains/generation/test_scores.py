"""Scores of next tokens, by hand-computed numbers."""

from pathlib import Path

import numpy as np
import pytest

from gristmill.domains.generation.scores import TokenOutcomes, measure, summarised

FOUR = TokenOutcomes(np.array([1.0, 2.0, 3.0, 2.0]), np.array([True, False, False, True]))


def test_the_metrics_of_four_tokens_by_hand() -> None:
    assert measure(FOUR, 16) == {
        "bits_per_character": 0.5,
        "bits_per_token": 2.0,
        "perplexity": 4.0,
        "accuracy": 0.5,
    }
    assert "bits_per_character" not in measure(FOUR, None)


def test_outcomes_of_validation_are_read_as_they_were_written(tmp_path: Path) -> None:
    FOUR.write_validation(tmp_path)

    found = TokenOutcomes.of_validation(tmp_path)

    assert (found.bits.tolist(), found.right.tolist()) == (FOUR.bits.tolist(), FOUR.right.tolist())


@pytest.mark.parametrize(("characters", "metric"), [(16, "bits_per_character"), (None, "bits_per_token")])
def test_the_headline_is_the_first_metric_beside_the_best_baseline(characters: int | None, metric: str) -> None:
    worse, worst = (TokenOutcomes(FOUR.bits + more, FOUR.right) for more in (1, 2))
    scores = {
        name: {"test": measure(outcome, characters)}
        for name, outcome in {"model": FOUR, "far": worst, "near": worse}.items()
    }

    found = summarised(scores)

    assert found["best_baseline"] == "near"
    assert list(found["baselines"]) == ["far", "near"]
    assert found["shown"] == [metric, "perplexity", "accuracy"]
    assert found["headline"] == {
        "metric": metric,
        "model": scores["model"]["test"][metric],
        "baseline": scores["near"]["test"][metric],
        "higher_is_better": False,
    }


@pytest.mark.fault(34)
def test_a_baseline_whose_score_is_not_finite_is_never_the_best() -> None:
    lost, near = (TokenOutcomes(np.array([bits]), np.array([False])) for bits in (np.nan, 9.0))
    outcomes = {"model": FOUR, "lost": lost, "near": near}  # min() would take the NaN that comes first

    found = summarised({name: {"test": measure(outcome, 4)} for name, outcome in outcomes.items()})

    assert found["best_baseline"] == "near"

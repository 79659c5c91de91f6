"""Scores of next tokens, by hand-computed numbers."""

import numpy as np
import pytest

from gristmill.domains.generation.baselines import TokenPredictions
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


def test_the_outcome_of_a_token_is_the_bits_of_its_probability() -> None:
    told = TokenPredictions(np.array([0.5, 0.125, 1.0]), np.array([2, 3, 4], np.int32))

    outcome = TokenOutcomes.of(told, np.array([2, 4, 4], np.int32))

    assert (outcome.bits.tolist(), outcome.right.tolist()) == ([1.0, 3.0, 0.0], [True, False, True])


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

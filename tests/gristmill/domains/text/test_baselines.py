"""The yardsticks are fitted on the training texts alone, and the linear one is the best of its kind."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime
from scipy.sparse import csr_array

from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.text import baselines
from gristmill.domains.text.baselines import LINEAR, MAJORITY, Linear, log_count_ratio, predictions_of, words

GOOD, BAD = (
    ["not bad at all", "a lovely film", "lovely, not dull"],
    ["not good at all", "a dull film", "bad, not lovely"],
)


def labelled(labels: list[int], parts: list[str], classes: list[str]) -> LabelledDataset:
    return LabelledDataset(pd.DataFrame({"label": labels, "part": parts}), classes)


def test_the_majority_class_gives_the_frequencies_of_the_training_part() -> None:
    data = labelled([0, 0, 1, 2, 1], ["train"] * 4 + ["test"], ["a", "b", "c"])

    made = predictions_of(data, {"train": ["x", "x y", "y", "z"], "test": ["x"]}, ["test"])

    assert list(made["test"]) == [MAJORITY, LINEAR]
    assert made["test"][MAJORITY].tolist() == [[0.5, 0.25, 0.25]]
    assert made["test"][LINEAR].shape == (1, 3)


def test_a_pair_of_words_tells_what_no_word_does() -> None:
    texts, labels = [*GOOD, *BAD] * 10, np.array(([1] * 3 + [0] * 3) * 10)

    made = Linear(texts, labels, 2).probabilities(["not bad", "not good", "lovely, not", "not lovely"])

    assert made.argmax(axis=1).tolist() == [1, 0, 1, 0]
    assert made.sum(axis=1) == pytest.approx(1)


def test_of_three_classes_each_is_found_by_its_own_word() -> None:
    texts = [f"{telling} film {number}" for number in range(20) for telling in ("red", "green", "blue")]

    made = Linear(texts, np.arange(60) % 3, 3).probabilities(["blue", "a red plot", "GREEN!"])

    assert made.argmax(axis=1).tolist() == [2, 0, 1]
    assert made.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("text", ["", "never met words", "🙂"])
def test_a_text_without_a_known_word_gets_the_bias_alone(text: str) -> None:
    linear = Linear([*GOOD, *BAD], np.array([1, 1, 1, 0, 0, 0]), 2)

    assert linear.probabilities([text]) == pytest.approx(np.full((1, 2), 0.5), abs=0.1)


def test_the_matrix_is_turned_once_for_all_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = []

    def fitted(given: csr_array, by: csr_array, second: Any) -> Any:
        turned.append(by)
        return real(given, by, second)

    real = baselines._fitted
    monkeypatch.setattr(baselines, "_fitted", fitted)

    Linear(["a b", "c b", "d b"] * 2, np.array([0, 1, 2] * 2), 3)

    assert len(turned) == 3
    assert turned[0] is turned[1] is turned[2]


def test_texts_that_share_no_word_do_no_harm() -> None:
    made = Linear(["a", "b", "c"], np.array([0, 1, 1]), 2).probabilities(["a", "b"])

    assert made == pytest.approx(np.array([[1 / 3, 2 / 3]] * 2), abs=1e-2)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Don't LISTEN!", ["don't", "listen", "!"]),
        ("It’s 3.5 ÉTOILES…", ["it’s", "3", ".", "5", "étoiles", "…"]),
        (" \n", []),
    ],
)
def test_words_are_lower_case_and_punctuation_marks_are_words(text: str, found: list[str]) -> None:
    assert words(text) == found


def test_keys_are_those_of_words_and_pairs_each_once() -> None:
    pair = (1 + 1) << 32

    assert baselines._keys([1, 2, 1, 2]).tolist() == sorted([1, 2, pair | 2, (2 + 1) << 32 | 1])
    assert baselines._keys([1, -1, 1]).tolist() == [1]
    assert baselines._keys([]).tolist() == []


def test_the_ratio_is_the_one_computed_by_hand() -> None:
    given = csr_array(np.array([[1, 1], [1, 0], [0, 1]], np.float32))  # columns in 2, 1 of the first, 0, 1 of the rest

    ratio = log_count_ratio(given, np.array([True, True, False]))

    assert ratio == pytest.approx([np.log((3 / 5) / (1 / 3)), np.log((2 / 5) / (2 / 3))])


def test_gradient_and_curvature_are_those_of_the_loss() -> None:
    random = np.random.default_rng(0)
    given = csr_array((random.random((9, 4)) < 0.5).astype(np.float32))
    signs = np.where(random.random(9) < 0.5, 1.0, -1.0)
    problem = baselines._Problem(given, given.T.tocsr(), random.normal(size=4), signs)
    place, step = random.normal(size=5), random.normal(size=5)

    assert problem.gradient(place) == pytest.approx(approx_fprime(place, problem.loss), abs=1e-5)
    ahead, behind = (problem.gradient(place + 1e-5 * way * step) for way in (1, -1))
    assert problem.curvature(place, step) == pytest.approx((ahead - behind) / 2e-5, abs=1e-5)
    assert problem.curvature(2 * place, step) != pytest.approx(problem.curvature(place, step))


def test_of_very_many_texts_some_are_taken_from_all_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_FITTED", 8)
    labels = np.array([0, 1, 1, 0, 1, 1, 1, 1, 1, 0])  # each third one: 0, 0, 1, 0

    made = Linear(["ab"] * 10, labels, 2).probabilities(["other"])

    assert made[0] == pytest.approx([0.75, 0.25], abs=0.05)


def test_many_texts_are_classified_in_order_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    linear = Linear([*GOOD, *BAD], np.array([1, 1, 1, 0, 0, 0]), 2)
    at_once = linear.probabilities([*GOOD, *BAD])
    monkeypatch.setattr(baselines, "_BATCH", 4)

    assert linear.probabilities([*GOOD, *BAD]) == pytest.approx(at_once)


def test_the_same_texts_give_the_same_bytes() -> None:
    texts, labels = [*GOOD, *BAD] * 50, np.array(([1] * 3 + [0] * 3) * 50)

    first, second = (Linear(texts, labels, 2).probabilities(GOOD).tobytes() for _ in range(2))

    assert first == second

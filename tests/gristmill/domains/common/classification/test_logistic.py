"""The logistic regression minimises what it says, on features of any number and scale."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import log_softmax

from gristmill.domains.common.classification import logistic
from gristmill.domains.common.classification.logistic import (
    PENALTIES,
    Problem,
    choose_penalty,
    mean_loss,
    solve_logistic,
)
from gristmill.domains.common.folds import stratified_folds
from gristmill.domains.common.sampling import sample_positions


def separable(examples: int, features: int, classes: int, seed: int = 0) -> tuple[Any, Any]:
    """Return noise in which the mean of a feature of each class differs, and the labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(examples) % classes
    values = random.normal(size=(examples, features))
    values[np.arange(examples), labels] += 1.5
    return values * random.uniform(0.5, 20, features) + random.normal(size=features), labels


def descended(features: Any, labels: Any, classes: int, penalty: float) -> Any:
    """Return the logits of a regression on standardised features, by plain gradient descent."""
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    weights, bias, wanted = np.zeros((scaled.shape[1], classes)), np.zeros(classes), np.eye(classes)[labels]
    for _ in range(20_000):
        errors = (np.exp(log_softmax(scaled @ weights + bias, axis=1)) - wanted) / len(labels)
        weights -= 0.1 * (scaled.T @ errors + penalty / len(labels) * weights)
        bias -= 0.1 * errors.sum(axis=0)
    return scaled @ weights + bias


@pytest.mark.slow
@pytest.mark.parametrize(("examples", "features"), [(60, 4), (12, 30)])  # more or fewer examples than features
def test_the_solution_is_that_of_gradient_descent(
    examples: int, features: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logistic, "_MIN_DEVIATION", 1e-9)
    monkeypatch.setattr(logistic, "_PRECISION", 1e-7)
    values, labels = separable(examples, features, 3)

    fitted = solve_logistic(values, labels, 3, 5.0)

    found, expected = fitted.logits(values), descended(values, labels, 3, 5.0)
    assert log_softmax(found, axis=1) == pytest.approx(log_softmax(expected, axis=1), abs=1e-4)


def test_the_gradient_is_that_of_the_loss() -> None:
    random = np.random.default_rng(0)
    given, wanted = random.normal(size=(7, 4)), np.eye(3)[random.integers(0, 3, 7)]
    wanted *= random.uniform(0.5, 3, (7, 1))  # weights of the examples
    weights = random.normal(size=12)

    slopes = approx_fprime(weights, lambda flat: mean_loss(flat, given, wanted, 0.3)[0])

    assert mean_loss(weights, given, wanted, 0.3)[1] == pytest.approx(slopes, abs=1e-5)


def test_two_values_of_one_feature_get_the_frequencies_of_their_labels() -> None:
    features = np.repeat(np.array([[0.0], [1.0]]), 100, axis=0)
    labels = np.array([0] * 75 + [1] * 25 + [0] * 40 + [1] * 60)

    logits = solve_logistic(features, labels, 2, 1e-6).logits(np.array([[0.0], [1.0]]))

    assert np.exp(log_softmax(logits, axis=1))[:, 1] == pytest.approx([0.25, 0.60], abs=1e-3)


def test_the_penalty_is_the_one_of_the_lowest_loss_on_held_out_folds() -> None:
    values, labels = separable(90, 6, 3)
    losses = []
    for penalty in PENALTIES:
        loss = 0.0
        for fold in range(5):
            held = stratified_folds(labels, 5) == fold
            problem = Problem(values[~held], labels[~held], 3)
            problem.solve(penalty)
            for row, label in zip(problem.classifier().logits(values[held]), labels[held], strict=True):
                loss -= log_softmax(row)[label]
        losses.append(loss)

    penalty, loss = choose_penalty(values, labels, 3)
    assert penalty == PENALTIES[int(np.argmin(losses))]
    assert loss == pytest.approx(min(losses) / 90, rel=1e-2)
    assert 0 < np.argmin(losses) < len(PENALTIES) - 1  # neither end of the grid


def test_pure_noise_gets_a_strong_penalty() -> None:
    values = np.random.default_rng(1).normal(size=(60, 40))

    assert choose_penalty(values, np.arange(60) % 2, 2)[0] >= 300


def test_of_very_many_examples_some_of_each_class_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    values, labels = separable(100, 5, 2)
    some = sample_positions(100, 50, labels)
    expected = choose_penalty(values[some], labels[some], 2)
    for limits in ((50, 10**6), (10**6, 250)):
        monkeypatch.setattr(logistic, "MAX_TO_CHOOSE", limits)
        assert choose_penalty(values, labels, 2) == expected
    assert expected[0] < PENALTIES[0]  # every second example is of one class


def test_the_penalty_of_ordered_examples_is_the_best_one_for_the_last_fifth() -> None:
    """The feature tells the labels of the first examples, and the wrong ones of the last."""
    labels = np.arange(100) % 2
    values = (labels * np.repeat([1, -1], [80, 20]))[:, np.newaxis] + np.random.default_rng(0).normal(0, 0.3, (100, 1))

    (weak, _), (strong, loss) = (choose_penalty(values, labels, 2, ordered=ordered) for ordered in (False, True))

    assert weak < strong == PENALTIES[0]
    assert loss == pytest.approx(np.log(2), rel=0.2)


def test_a_feature_that_never_or_hardly_changes_does_no_harm() -> None:
    values, labels = separable(60, 3, 2)
    values = np.column_stack([values, np.full(60, 7.0), 1e-6 * np.arange(60)])

    fitted = solve_logistic(values, labels, 2, choose_penalty(values, labels, 2)[0])
    strange = values[:1] + np.array([0, 0, 0, 0.01, 0.01])

    assert fitted.logits(strange) == pytest.approx(fitted.logits(values[:1]), abs=0.1)


def test_features_without_any_spread_give_the_frequencies() -> None:
    values, labels = np.ones((40, 2)), np.arange(40) % 4 // 3
    logits = solve_logistic(values, labels, 2, choose_penalty(values, labels, 2)[0]).logits(values[:1])

    assert np.exp(log_softmax(logits, axis=1))[0] == pytest.approx([0.75, 0.25], abs=1e-3)

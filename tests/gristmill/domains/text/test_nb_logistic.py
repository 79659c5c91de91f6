"""The solver finds the classifier that the loss asks for."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.sparse import csr_array
from scipy.special import expit

from gristmill.domains.text import nb_logistic
from gristmill.domains.text.nb_logistic import fit_classifier, log_count_ratio


def matrix(values: object) -> csr_array:
    return csr_array(np.array(values, np.float64))


def test_the_ratio_is_the_one_computed_by_hand() -> None:
    present = matrix([[1, 1], [1, 0], [0, 1]])  # the columns are in 2, 1 of the first texts, and in 0, 1 of the rest

    ratio = log_count_ratio(present.T.tocsr(), np.array([True, True, False]), 1.0)

    assert ratio == pytest.approx([np.log((3 / 5) / (1 / 3)), np.log((2 / 5) / (2 / 3))])


def test_gradient_and_curvature_are_those_of_the_loss() -> None:
    random = np.random.default_rng(0)
    present = matrix(random.random((9, 4)) < 0.5)
    signs, scale = np.where(random.random(9) < 0.5, 1.0, -1.0), random.random(9)
    ratio, weights = random.normal(size=4), random.uniform(0.5, 3, 9)
    problem = nb_logistic._Problem(present, present.T.tocsr(), scale, ratio, signs, weights, 0.7)
    place, step = random.normal(size=5), random.normal(size=5)

    assert problem.gradient(place) == pytest.approx(approx_fprime(place, problem.loss), abs=1e-5)
    ahead, behind = (problem.gradient(place + 1e-5 * way * step) for way in (1, -1))
    assert problem.curvature(place, step) == pytest.approx((ahead - behind) / 2e-5, abs=1e-5)
    assert problem.curvature(2 * place, step) != pytest.approx(problem.curvature(place, step))


@pytest.mark.parametrize("classes", [2, 3])
def test_no_other_weights_have_a_lower_loss(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is computed here by loops, from the formula of the module."""
    random = np.random.default_rng(1)
    dense = (random.random((40, 6)) < 0.4).astype(np.float64)
    labels, decay = random.integers(0, classes, 40), 0.5
    monkeypatch.setattr(nb_logistic, "_PRECISION", 1e-6)
    present = matrix(dense)

    fitted = fit_classifier(present, labels, classes, smoothing=0.3, decay=decay)

    assert fitted.weights.shape == (6, 1 if classes == 2 else 3)
    roots = np.sqrt(np.maximum(dense.sum(axis=1), 1))
    unit = np.mean(1 / roots)
    for output, label in enumerate([1] if classes == 2 else range(3)):
        inside = labels == label
        ratio = log_count_ratio(present.T.tocsr(), inside, 0.3)

        def loss(weights: np.ndarray, bias: float, inside: np.ndarray = inside, ratio: np.ndarray = ratio) -> float:
            total = decay / 2 * np.square(weights * unit / ratio).sum()
            for row, root, positive in zip(dense, roots, inside, strict=True):
                probability = expit(row @ weights / root + bias)
                total -= np.log(probability if positive else 1 - probability)
            return float(total)

        weights, bias = fitted.weights[:, output], fitted.bias[output]
        least = loss(weights, bias)
        for _ in range(20):
            assert loss(weights + 1e-2 * random.normal(size=6), bias + 1e-2 * random.normal()) > least


def test_the_matrix_is_transposed_once_for_all_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    transposed = []
    real = nb_logistic._solve
    monkeypatch.setattr(nb_logistic, "_solve", lambda problem: transposed.append(problem.transposed) or real(problem))

    fit_classifier(matrix(np.eye(6)), np.array([0, 1, 2] * 2), 3, smoothing=1.0, decay=1.0)

    assert len(transposed) == 3
    assert transposed[0] is transposed[1] is transposed[2]


def test_texts_without_features_give_the_frequencies_of_the_classes() -> None:
    fitted = fit_classifier(csr_array((4, 0), dtype=np.float32), np.array([1, 1, 1, 0]), 2, smoothing=1.0, decay=1.0)

    assert expit(fitted.bias) == pytest.approx([0.75], abs=1e-2)


def test_features_that_tell_nothing_have_no_weight() -> None:
    fitted = fit_classifier(matrix([[1], [1]]), np.array([0, 1]), 2, smoothing=1.0, decay=1.0)

    assert (fitted.weights.tolist(), fitted.bias.tolist()) == ([[0]], [0])

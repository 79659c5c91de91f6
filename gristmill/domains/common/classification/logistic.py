"""Multinomial logistic regression on dense features, with an L2 penalty chosen by cross-validation.

The penalty is on the weights of standardised features; the bias has none. A feature that hardly varies is not blown up
to the spread of the others. With fewer examples than features the problem is solved in the span of the examples, which
holds the solution (Hastie & Tibshirani, "Efficient quadratic regularization for expression arrays", Biostatistics 5(3),
2004).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.linalg import qr
from scipy.optimize import minimize
from scipy.special import log_softmax

from gristmill.domains.common.classification.duplicates import Groups
from gristmill.domains.common.classification.labelled import Labels
from gristmill.domains.common.folds import LearningSet
from gristmill.domains.common.sampling import sample_positions
from gristmill.training.deadline import check_deadlines

Values = npt.NDArray[np.float64]
Features = npt.NDArray[Any]  # (examples, features)

PENALTIES = (3e3, 1e3, 300.0, 100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)  # on the summed loss, the strongest first
FOLDS = 5
MAX_TO_CHOOSE = (3_000, 2_000_000)  # examples and numbers that the penalty is chosen on
_MIN_DEVIATION = 0.3  # share of the root mean square of all features' deviations that the smallest is raised to
_PATIENCE = 2  # weaker penalties that are tried after the best one
_MAX_ROUNDS = 200  # iterations of L-BFGS
_PRECISION, _ROUGHLY = 1e-4, 1e-3  # largest gradient of the mean loss at a solution; larger while a penalty is chosen


class LinearClassifier(NamedTuple):
    """Logits of the classes: `features @ weights + bias`."""

    weights: Values  # (features, classes)
    bias: Values  # (classes,)

    def logits(self, features: Features) -> Values:
        """Return the logits, (examples, classes)."""
        return np.asarray(features @ self.weights + self.bias)


def solve_logistic(
    features: Features, labels: Labels, classes: int, penalty: float, weights: Values | None = None
) -> LinearClassifier:
    """Fit a classifier of raw features with a penalty; `weights` are those of the examples."""
    problem = Problem(features, labels, classes, weights)
    problem.solve(penalty)
    return problem.classifier()


def choose_penalty(
    features: Features,
    labels: Labels,
    classes: int,
    groups: Groups | None = None,
    weights: Values | None = None,
    ordered: bool = False,
) -> tuple[float, float]:
    """Return the penalty of the lowest log loss over five folds, and that loss per example; groups are in one fold.

    Of ordered examples, only the last fifth is held out. Of many examples, a sample is used.
    With weights of the examples, (examples,), both the fits and the loss are weighted.
    Penalties are tried from the strongest on, each from the solution of the one before, until the loss rises.
    """
    # 1. Divide a sample into folds.
    rows, numbers = MAX_TO_CHOOSE
    some = sample_positions(len(labels), min(rows, max(1, numbers // features.shape[1])), labels)
    features, labels = features[some], labels[some]
    counts = np.ones(len(labels)) if weights is None else weights[some]
    positions = np.arange(len(labels))
    learned = LearningSet(positions, positions[:0], labels, None if groups is None else groups[some], ordered)
    held_out = [np.isin(positions, split.predict) for split in learned.folds(FOLDS) if len(split.fit)]
    problems = [Problem(features[~held], labels[~held], classes, counts[~held]) for held in held_out]

    # 2. Try each penalty on all of them.
    losses: list[float] = []
    for penalty in PENALTIES:
        loss = 0.0
        for problem, held in zip(problems, held_out, strict=True):
            problem.solve(penalty, _ROUGHLY)
            logarithms = log_softmax(problem.classifier().logits(features[held]), axis=1)
            loss -= float(counts[held] @ logarithms[np.arange(len(logarithms)), labels[held]])
        losses.append(loss)
        if len(losses) - int(np.argmin(losses)) > _PATIENCE:
            break
    return PENALTIES[int(np.argmin(losses))], min(losses) / max(1, int(np.sum(held_out)))


class Problem:
    """A regression to solve for one penalty after another, each from the solution of the one before."""

    def __init__(self, features: Features, labels: Labels, classes: int, weights: Values | None = None) -> None:
        """Standardise features (examples, features) of the labels (examples,); the solution begins at zero."""
        self._mean = features.mean(axis=0, dtype=np.float64)
        deviation = features.std(axis=0, dtype=np.float64)
        smallest = _MIN_DEVIATION * np.sqrt(np.mean(np.square(deviation)))
        self._deviation = np.maximum(deviation, smallest) if smallest > 0 else np.ones_like(deviation)
        scaled = (features - self._mean) / self._deviation
        self._basis = qr(scaled.T, mode="economic")[0] if len(scaled) < scaled.shape[1] else None
        inner = scaled if self._basis is None else scaled @ self._basis
        self._inputs = np.column_stack([inner, np.ones(len(labels))])
        self._wanted = np.eye(classes)[labels] * (1.0 if weights is None else weights[:, np.newaxis])
        self._flat = np.zeros(self._inputs.shape[1] * classes)

    def solve(self, penalty: float, precision: float | None = None) -> None:
        """Minimise the summed cross-entropy plus half the penalty times the squared weights."""
        options = {"maxiter": _MAX_ROUNDS, "gtol": precision or _PRECISION, "ftol": 0.0}
        arguments = (self._inputs, self._wanted, penalty / len(self._inputs))
        self._flat = minimize(mean_loss, self._flat, arguments, "L-BFGS-B", jac=True, options=options).x

    def classifier(self) -> LinearClassifier:
        """Return the solution on raw features."""
        solved = self._flat.reshape(self._inputs.shape[1], -1)
        inner = solved[:-1] if self._basis is None else self._basis @ solved[:-1]
        weights = inner / self._deviation[:, np.newaxis]
        return LinearClassifier(weights, solved[-1] - self._mean @ weights)


def mean_loss(flat: Values, inputs: Values, wanted: Values, penalty: float) -> tuple[float, Values]:
    """Return mean cross-entropy plus half the penalty times the squared weights, and its gradient.

    `inputs` are features and a last column of 1 for the bias, `wanted` the one-hot labels times their weights.
    """
    check_deadlines()
    weights = flat.reshape(inputs.shape[1], -1)
    logarithms = log_softmax(inputs @ weights, axis=1)
    decayed = np.vstack([weights[:-1], np.zeros_like(weights[-1:])])
    loss = -(wanted * logarithms).sum() / len(inputs) + penalty / 2 * np.square(decayed).sum()
    gradient = inputs.T @ (np.exp(logarithms) * wanted.sum(axis=1, keepdims=True) - wanted) / len(inputs)
    return float(loss), (gradient + penalty * decayed).ravel()

"""Logistic regression on which features a text has, each scaled by how much more frequent it is in a class.

The scale of a feature is its log-count ratio r = log((a + p) / |a + p|) - log((a + q) / |a + q|), where p and q count
the texts with the feature inside and outside of the class. A text's features are divided by the square root of their
number, so that a long text is not more certain than a short one.

Source: Wang & Manning, "Baselines and bigrams: simple, good sentiment and topic classification", ACL 2012. Unlike
there, the classifier is a logistic regression, which gives probabilities. It is solved by a trust-region Newton method
(Lin, Weng & Keerthi, "Trust region Newton method for logistic regression", JMLR 9, 2008).
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit

from gristmill.domains.common.classification.labelled import Labels
from gristmill.training.deadline import check_deadlines

Values = npt.NDArray[np.float64]

_PRECISION = 0.01  # share of the first gradient's norm at which the solution is accepted, as in LIBLINEAR
_MAX_ROUNDS = 100  # iterations of Newton's method; about ten are needed


@dataclass(frozen=True)
class LinearClassifier:
    """The score of class c is (sum of `weights[:, c]` over a text's features) / √(number of them) + `bias[c]`."""

    weights: Values  # (features, outputs); one output, the second class, for two classes
    bias: Values  # (outputs,)


def fit_classifier(
    present: csr_array, labels: Labels, classes: int, weights: Values | None = None, *, smoothing: float, decay: float
) -> LinearClassifier:
    """Return the classifier; with more than two classes, one against the rest.

    Args:
        present: 1 where a text has a feature: (texts, features), no other values stored.
        labels: classes of the texts.
        classes: number of classes.
        weights: of the texts in the loss, (texts,); None if all count equally.
        smoothing: a, added to each count.
        decay: of the squared weights, for features of the size that they have in the average text.
    """
    weights = np.ones(len(labels)) if weights is None else weights
    scale = 1 / np.sqrt(np.maximum(np.diff(present.indptr), 1))
    unit = float(scale.mean())
    transposed = present.T.tocsr()
    solved = []
    for label in range(classes) if classes > 2 else [1]:
        inside = labels == label
        ratio = log_count_ratio(transposed, inside, smoothing)
        signs = np.where(inside, 1.0, -1.0)
        solved.append(_solve(_Problem(present, transposed, scale / unit, ratio, signs, weights, decay)))
    by_class, biases = zip(*solved, strict=True)
    return LinearClassifier(np.stack(by_class, axis=1) / unit, np.array(biases))


def log_count_ratio(transposed: csr_array, inside: npt.NDArray[np.bool_], smoothing: float) -> Values:
    """Return the logarithm of how much more frequent each feature is `inside`, (texts,), than in the other texts."""
    within, beyond = (smoothing + _product(transposed, chosen.astype(np.float64)) for chosen in (inside, ~inside))
    return np.asarray(np.log(within / within.sum()) - np.log(beyond / beyond.sum()))


def _product(matrix: csr_array, vector: Values) -> Values:
    """Return matrix @ vector. SciPy would copy a matrix of another type than the vector."""
    return np.asarray(matrix @ vector.astype(matrix.dtype), np.float64)


def _solve(problem: "_Problem") -> tuple[Values, float]:
    """Return the weight of each feature, its ratio included, and the bias."""
    start = np.zeros(len(problem.ratio) + 1)
    slope = float(np.linalg.norm(problem.gradient(start)))
    if slope == 0:
        return start[:-1], 0.0
    solved = minimize(
        problem.loss,
        start,
        method="trust-ncg",
        jac=problem.gradient,
        hessp=problem.curvature,
        callback=lambda _: check_deadlines(),
        options={"gtol": _PRECISION * slope, "maxiter": _MAX_ROUNDS},
    )
    return solved.x[:-1] * problem.ratio, float(solved.x[-1])


@dataclass
class _Problem:
    """Summed logistic loss with weight decay, by the weights and, last, the bias, which does not decay."""

    present: csr_array  # (texts, features)
    transposed: csr_array  # (features, texts)
    scale: Values  # (texts,)
    ratio: Values  # (features,)
    signs: Values  # (texts,): 1 or -1
    weights: Values  # (texts,): of each text's loss
    decay: float
    _place: Values | None = None  # point at which the curvature was computed last
    _bend: Values = field(default_factory=lambda: np.zeros(0))  # (texts,): second derivative of each text's loss there

    def loss(self, flat: Values) -> float:
        return float(self.weights @ np.logaddexp(0, -self._margins(flat)) + self.decay / 2 * np.square(flat[:-1]).sum())

    def gradient(self, flat: Values) -> Values:
        return self._back(-self.weights * self.signs * expit(-self._margins(flat)), flat)

    def curvature(self, flat: Values, step: Values) -> Values:
        """Return the second derivative times a step; many steps are asked for at the same place."""
        if self._place is None or not np.array_equal(self._place, flat):
            chance = expit(self._margins(flat))
            self._place, self._bend = flat.copy(), self.weights * chance * (1 - chance)
        return self._back(self._bend * self._scores(step), step)

    def _scores(self, flat: Values) -> Values:
        return np.asarray(self.scale * _product(self.present, self.ratio * flat[:-1]) + flat[-1])

    def _margins(self, flat: Values) -> Values:
        return self.signs * self._scores(flat)

    def _back(self, slopes: Values, flat: Values) -> Values:
        weights = self.ratio * _product(self.transposed, self.scale * slopes) + self.decay * flat[:-1]
        return np.append(weights, slopes.sum())

"""Simple classifiers, the yardsticks of every model: fitted on the training set, each gives probabilities.

They never see more pixels at a time than a batch: what is kept of an image is its label and a few mean pixels.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from gristmill.domains.common.classification.labelled import Labels
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.vision.dataset import Prepared

Features = npt.NDArray[np.float32]  # (images, side * side * channels)

MAJORITY = "majority class"

_FITTED = 100_000  # images that the linear classifier is fitted on at most, taken evenly
_ROUNDS = 100  # of L-BFGS at most: from there on the accuracy stands still
_DECAY = 1e-4  # of its squared weights, so that there is one best classifier where the images can be told apart


def predictions_of(data: Prepared, parts: list[str], side: int) -> dict[str, dict[str, Probabilities]]:
    """Return the baselines' probabilities: part to name to (images, classes)."""
    classes, labels = len(data.layout.classes), data.labels("train")
    frequencies = np.bincount(labels, minlength=classes) / len(labels)
    linear = Linear(shrunk(data, "train", side), labels, classes)
    return {
        part: {
            MAJORITY: np.tile(frequencies, (len(data.rows(part)), 1)),
            f"linear on {side}x{side} pixels": linear.probabilities(shrunk(data, part, side)),
        }
        for part in parts
    }


def shrunk(data: Prepared, part: str, side: int) -> Features:
    """Return the images of a part at side x side pixels, each the mean of the area it stands for."""
    small = data.dataset(part).map(lambda pixels, _: tf.image.resize(pixels, (side, side), method="area"))
    return np.concatenate([batch.reshape(len(batch), -1) for batch in small.as_numpy_iterator()])


class Linear:
    """Multinomial logistic regression on standardised features, solved by L-BFGS."""

    def __init__(self, features: Features, labels: Labels, classes: int) -> None:
        """Fit on features (images, features) and labels (images,)."""
        every = -(-len(labels) // _FITTED)
        features, labels = features[::every], labels[::every]
        self._mean = features.mean(axis=0, dtype=np.float64)
        deviation = features.std(axis=0, dtype=np.float64)
        self._deviation = np.where(deviation > 0, deviation, 1)
        given, wanted = self._given(features), np.eye(classes)[labels]
        shape = (given.shape[1], classes)
        start, options = np.zeros(shape).ravel(), {"maxiter": _ROUNDS}
        solved = minimize(_loss, start, (given, wanted), "L-BFGS-B", jac=True, options=options)
        self._weights = solved.x.reshape(shape)

    def probabilities(self, features: Features) -> Probabilities:
        """Return the probabilities of the classes: (images, classes)."""
        made: Probabilities = softmax(self._given(features) @ self._weights, axis=1)
        return made

    def _given(self, features: Features) -> npt.NDArray[np.float64]:
        """Return the features in deviations, and a 1 that takes the bias."""
        return np.column_stack([(features - self._mean) / self._deviation, np.ones(len(features))])


def _loss(flat: Any, given: Any, wanted: Any) -> tuple[float, Any]:
    """Return cross-entropy with weight decay, and its gradient; the bias, last, does not decay."""
    weights = flat.reshape(given.shape[1], -1)
    logarithms = log_softmax(given @ weights, axis=1)
    decayed = np.vstack([weights[:-1], np.zeros_like(weights[-1:])])
    loss = -(wanted * logarithms).sum() / len(given) + _DECAY / 2 * np.square(decayed).sum()
    gradient = given.T @ (np.exp(logarithms) - wanted) / len(given) + _DECAY * decayed
    return loss, gradient.ravel()

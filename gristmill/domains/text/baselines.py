"""Simple classifiers of texts, the yardsticks of every network: fitted on the training set, each gives probabilities.

The linear one knows words and pairs of neighbouring words, whether they are there and not how often, each scaled by
how much more frequent it is in one class than in the others (its log-count ratio).

Source: Wang & Manning, "Baselines and bigrams: simple, good sentiment and topic classification", ACL 2012. As there, a
text is a set of words and pairs and one is added to every count; unlike there, the linear classifier is a logistic
regression, which gives probabilities, and a word or pair of a single training text is left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.special import expit, log_expit, softmax

from gristmill.domains.common.classification.labelled import LabelledDataset, Labels
from gristmill.domains.common.classification.predictions import Probabilities

Values = npt.NDArray[np.float64]
Keys = npt.NDArray[np.int64]  # a word by its number; a pair by both numbers, the first in the upper half

MAJORITY = "majority class"
LINEAR = "NB-weighted linear on bigrams"

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")  # "Don't LISTEN!": don't, listen, !
_PAIR = 32  # bits that the first word of a pair is shifted by

_FITTED = 50_000_000  # characters that the linear classifier is fitted on at most, of texts taken evenly: about 1 GiB
_BATCH = 4096  # texts that are classified at a time
_MIN_TEXTS = 2  # training texts that a word or pair must be in
_SMOOTHING = 1.0  # added to each count
_DECAY = 1.0  # of the squared weights; of 0.1 to 30 about the best on validation texts of reviews and headlines alike
_PRECISION = 0.01  # of the solution: the share of the first slope that may be left, as LIBLINEAR has it
_ROUNDS = 100  # of Newton's method at most; about ten are taken


def predictions_of(
    data: LabelledDataset, texts: Mapping[str, Sequence[str]], parts: list[str]
) -> dict[str, dict[str, Probabilities]]:
    """Return the baselines' probabilities: part to name to (texts, classes).

    Args:
        data: labels of all parts.
        texts: texts of the training set and of each of `parts`, in the order of the labels.
        parts: the parts that are scored.
    """
    classes, labels = len(data.classes), data.labels("train")
    frequencies = np.bincount(labels, minlength=classes) / len(labels)
    linear = Linear(texts["train"], labels, classes)
    return {
        part: {
            MAJORITY: np.tile(frequencies, (len(texts[part]), 1)),
            LINEAR: linear.probabilities(texts[part]),
        }
        for part in parts
    }


def words(text: str) -> list[str]:
    """Return the lower-case words and the punctuation marks of a text.

    >>> words("Don't LISTEN, be silent!")
    ["don't", 'listen', ',', 'be', 'silent', '!']
    """
    return _WORD.findall(text.lower())


class Linear:
    """Logistic regression on the words and pairs of words of a text; of more than two classes, one against the rest."""

    def __init__(self, texts: Sequence[str], labels: Labels, classes: int) -> None:
        """Fit on texts and their labels (texts,)."""
        every = max(1, -(-sum(map(len, texts)) // _FITTED))
        texts, labels = texts[::every], labels[::every]
        self._numbers: dict[str, int] = {}
        keys, lengths = _joined(self._learned(text) for text in texts)
        known, counts = np.unique(keys, return_counts=True)
        self._known: Keys = known[counts >= _MIN_TEXTS]
        given = self._matrix(keys, lengths)
        turned = given.T.tocsr()
        second = range(classes) if classes > 2 else [1]
        solved = [_fitted(given, turned, labels == label) for label in second]
        self._weights = np.stack([weights for weights, _ in solved], axis=1)
        self._bias = np.array([bias for _, bias in solved])

    def probabilities(self, texts: Sequence[str]) -> Probabilities:
        """Return the probabilities of the classes: (texts, classes)."""
        batches = [texts[begin : begin + _BATCH] for begin in range(0, len(texts), _BATCH)]
        made: Probabilities = np.concatenate([self._classified(batch) for batch in batches])
        return made

    def _classified(self, texts: Sequence[str]) -> Probabilities:
        given = self._matrix(*_joined(self._found(text) for text in texts))
        scores = given @ self._weights + self._bias
        logarithms = log_expit(np.hstack([-scores, scores]) if scores.shape[1] == 1 else scores)
        made: Probabilities = softmax(logarithms, axis=1)
        return made

    def _learned(self, text: str) -> Keys:
        """Return the keys of a text, and number the words that were not met before."""
        numbers = self._numbers
        return _keys([numbers.setdefault(word, len(numbers)) for word in words(text)])

    def _found(self, text: str) -> Keys:
        """Return the keys of a text whose words were met in training."""
        return _keys([self._numbers.get(word, -1) for word in words(text)])

    def _matrix(self, keys: Keys, lengths: npt.NDArray[np.int64]) -> csr_array:
        """Return 1 where a text has a known word or pair: (texts, known)."""
        columns = np.searchsorted(self._known, keys)
        there = np.append(self._known, -1)[columns] == keys
        ends = np.concatenate([[0], np.cumsum(lengths)])
        starts = np.concatenate([[0], np.cumsum(there)])[ends]
        ones = np.ones(int(there.sum()), np.float32)
        return csr_array((ones, columns[there].astype(np.int32), starts), shape=(len(lengths), len(self._known)))


def _keys(numbers: list[int]) -> Keys:
    """Return the keys of all words, and pairs of neighbouring words, of known numbers (0 up), each once."""
    first = np.array(numbers, np.int64)
    pairs = ((first[:-1] + 1) << _PAIR | first[1:])[(first[:-1] >= 0) & (first[1:] >= 0)]
    return np.unique(np.concatenate([first[first >= 0], pairs]))


def _joined(texts: Iterator[Keys]) -> tuple[Keys, npt.NDArray[np.int64]]:
    """Return the keys of all texts one after the other, and how many each has."""
    every = list(texts)
    return np.concatenate([np.zeros(0, np.int64), *every]), np.array([len(keys) for keys in every], np.int64)


def _fitted(given: csr_array, turned: csr_array, second: npt.NDArray[np.bool_]) -> tuple[Values, float]:
    """Return the weight of each column and the bias of the classifier that tells `second` (texts,) from the rest."""
    ratio = log_count_ratio(given, second)
    problem = _Problem(given, turned, ratio, np.where(second, 1.0, -1.0))
    start = np.zeros(given.shape[1] + 1)
    ends = {"gtol": _PRECISION * float(np.linalg.norm(problem.gradient(start))), "maxiter": _ROUNDS}
    solved = minimize(problem.loss, start, (), "trust-ncg", problem.gradient, hessp=problem.curvature, options=ends)
    return solved.x[:-1] * ratio, float(solved.x[-1])


def log_count_ratio(given: csr_array, second: npt.NDArray[np.bool_]) -> Values:
    """Return the logarithm of how much more frequent each column is in `second` (texts,) than in the rest."""
    inside = _SMOOTHING + given.T @ second.astype(np.float64)
    outside = _SMOOTHING + given.T @ (~second).astype(np.float64)
    ratio: Values = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    return ratio


@dataclass
class _Problem:
    """Summed logistic loss with weight decay, by the weights and, last, the bias, which does not decay."""

    given: csr_array  # (texts, columns)
    turned: csr_array  # (columns, texts)
    ratio: Values  # (columns,)
    signs: Values  # (texts,): 1 or -1
    _place: Values | None = None  # where the curvature was asked for last
    _bend: Values = field(default_factory=lambda: np.zeros(0))  # (texts,): second derivative of each text's loss there

    def loss(self, flat: Values) -> float:
        return float(np.logaddexp(0, -self._margins(flat)).sum() + _DECAY / 2 * np.square(flat[:-1]).sum())

    def gradient(self, flat: Values) -> Values:
        return self._back(-self.signs * expit(-self._margins(flat)), flat)

    def curvature(self, flat: Values, step: Values) -> Values:
        """Return the second derivative times a step; many steps are asked for at the same place."""
        if self._place is None or not np.array_equal(self._place, flat):
            chance = expit(self._margins(flat))
            self._place, self._bend = flat.copy(), chance * (1 - chance)
        return self._back(self._bend * self._scores(step), step)

    def _scores(self, flat: Values) -> Values:
        scores: Values = self.given @ (self.ratio * flat[:-1]) + flat[-1]
        return scores

    def _margins(self, flat: Values) -> Values:
        return self.signs * self._scores(flat)

    def _back(self, slopes: Values, decayed: Values) -> Values:
        return np.append(self.ratio * (self.turned @ slopes) + _DECAY * decayed[:-1], slopes.sum())

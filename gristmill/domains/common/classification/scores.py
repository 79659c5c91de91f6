"""Metrics of classifiers, from labels (examples,) and probabilities (examples, classes) that sum to 1.

Sources: Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78(1), 1950;
Hanley & McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve", Radiology
143(1), 1982; Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from gristmill.domains.common.classification.labelled import Labels, balanced_weights
from gristmill.domains.common.classification.predictions import MIN_PROBABILITY

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

BALANCED_LOG_LOSS = "balanced_log_loss"  # name of the metric
BINS = 15  # of confidence, as in Guo et al.


def accuracy(truth: Labels, predicted: Labels) -> float:
    """Share of the examples whose class is the predicted one, 0 to 1; higher is better."""
    return float((truth == predicted).mean())


def log_loss(truth: Labels, probabilities: Values) -> float:
    """Mean negative logarithm of the true class's probability, from 0 (certain and right) up; lower is better."""
    return float(log_losses(truth, probabilities).mean())


def balanced_log_loss(truth: Labels, probabilities: Values) -> float:
    """Log loss with weights for which all classes with examples count equally; lower is better."""
    return float(balanced_log_losses(truth, probabilities).mean())


def log_losses(truth: Labels, probabilities: Values) -> Values:
    """Return the negative logarithm of the true class's probability, (examples,)."""
    of_truth = probabilities[np.arange(len(truth)), truth]
    return -np.log(np.clip(of_truth, MIN_PROBABILITY, 1))


def balanced_log_losses(truth: Labels, probabilities: Values) -> Values:
    """Return the log loss of each example with weights for which all classes count equally, (examples,)."""
    weights = balanced_weights(truth, probabilities.shape[1])
    return np.asarray(weights[truth] * log_losses(truth, probabilities))


def brier(truth: Labels, probabilities: Values) -> float:
    """Mean squared distance to the certain truth; lower is better.

    For two classes it is the squared error of the second one's probability, 0 to 1, as scikit-learn defines it. For
    more classes it is summed over them, 0 to 2.
    """
    of_truth = probabilities[np.arange(len(truth)), truth]
    summed = float((np.square(probabilities).sum(axis=1) - 2 * of_truth + 1).mean())
    return summed / 2 if probabilities.shape[1] == 2 else summed


def confusion(truth: Labels, predicted: Labels, classes: int) -> Counts:
    """Count the examples by true and predicted class: (true class, predicted class)."""
    counted: Counts = np.bincount(truth * classes + predicted, minlength=classes**2)
    return counted.reshape(classes, classes)


def precision(counts: Counts) -> Values:
    """Share of the predictions of a class that are right; 0 if there are none, NaN for a class without examples."""
    return _share(np.diag(counts), counts.sum(axis=0), counts)


def recall(counts: Counts) -> Values:
    """Share of the examples of a class that are predicted as it; NaN for a class without examples."""
    return _share(np.diag(counts), counts.sum(axis=1), counts)


def f1(counts: Counts) -> Values:
    """Harmonic mean of precision and recall, 0 if one of them is 0; NaN for a class without examples."""
    return _share(2 * np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1), counts)


def roc_auc(truth: Labels, probabilities: Values) -> float | None:
    """Chance that an example of the second class has a higher probability of it than one of the first; ties count half.

    0.5 is guessing, 1 is best; None if one of the two classes has no example.
    """
    ranks, second = rankdata(probabilities[:, 1]), truth == 1
    above, below = int(second.sum()), int((~second).sum())
    return float((ranks[second].sum() - above * (above + 1) / 2) / (above * below)) if above and below else None


@dataclass(frozen=True)
class ThresholdCurves:
    """Shares by threshold of the second class's probability, the highest first; rates begin with 0 of no example."""

    false_positives: Values  # share of the first class that is taken for the second, (thresholds + 1,)
    recall: Values  # share of the second class that is found, (thresholds + 1,)
    precision: Values  # share of the examples above the threshold that are of the second class, (thresholds,)

    @property
    def average_precision(self) -> float:
        """Mean precision over the steps of recall, as scikit-learn defines it."""
        return float((np.diff(self.recall) * self.precision).sum())


def threshold_curves(truth: Labels, second: Values) -> ThresholdCurves:
    """Return the ROC curve and the precision-recall curve of two classes, from the second one's probabilities.

    Both classes have examples. Equal probabilities share a threshold.
    """
    order = np.argsort(-second, kind="stable")
    last = np.append(np.flatnonzero(np.diff(second[order])), len(order) - 1)
    right, taken = np.cumsum(truth[order] == 1)[last], last + 1
    rates = [np.concatenate([[0], counts]) / counts[-1] for counts in (taken - right, right)]
    return ThresholdCurves(rates[0], rates[1], right / taken)


def reliability(truth: Labels, probabilities: Values) -> list[dict[str, float]]:
    """Return mean confidence and accuracy of each bin of confidence, without empty bins.

    Confidence is the probability of the predicted class. A bin includes its upper end; `low` is its lower end.
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    owner = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    return [
        {
            "low": float(at / BINS),
            "examples": int((owner == at).sum()),
            "confidence": float(confidence[owner == at].mean()),
            "accuracy": float(right[owner == at].mean()),
        }
        for at in np.unique(owner)
    ]


def ece(truth: Labels, probabilities: Values) -> float:
    """Expected calibration error: mean distance of confidence and accuracy over the bins, 0 to 1; lower is better."""
    bins = reliability(truth, probabilities)
    return sum(row["examples"] * abs(row["accuracy"] - row["confidence"]) for row in bins) / len(truth)


def _share(part: Counts, whole: Counts, counts: Counts) -> Values:
    """Return part / whole, 0 where whole is 0, NaN where the class has no example."""
    shares = part / np.maximum(whole, 1)
    return np.where(counts.sum(axis=1) > 0, shares, np.nan)

"""Choose the threshold and the limits of conformal prediction sets, on held-out predictions.

A set contains each class whose probability reaches the limit of this class: the k-th smallest probability of the class
among its n held-out examples, k = floor((n + 1) (1 - coverage)). So a new example of the class is covered with at least
that chance. A class with too few examples has the limit of all. One limit for all classes covers easy classes more than
others: with a coverage of 90 % in Fashion-MNIST, sets of a linear classifier with 1.24 classes contained 65 % of the
hardest class; with limits by class, they had 1.38 classes and contained 84 %.

Source: Sadinle, Lei & Wasserman, "Least ambiguous set-valued classifiers with bounded error levels", Journal of the
American Statistical Association 114(525), 2019.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.held_out import held_out_probabilities
from gristmill.domains.common.classification.labelled import LabelledDataset, Labels
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.common.folds import HELD_OUT
from gristmill.errors import RequestError
from gristmill.scores import MODEL


def decision_metric(settings: Evaluate) -> str:
    """Return the metric that chooses the threshold, F1 if the threshold is a number, or accuracy without one."""
    if settings.threshold is None:
        return "accuracy"
    return "recall" if settings.threshold == "balanced_accuracy" else "f1"  # mean recall is balanced accuracy


def choose_decisions(
    settings: Evaluate, data: LabelledDataset, by_model: Mapping[str, Mapping[str, Probabilities]], train: Path
) -> dict[str, Decision]:
    """Return the decisions of forecasters that do not predict the most probable class, or have sets.

    Thresholds of all forecasters are chosen on the same examples: on all held-out predictions of the model, in the
    folder `train`, if the others have these too (`HELD_OUT`), otherwise on the validation set. Without one, the others
    have the threshold of the model. The limits of its sets are chosen on all its held-out predictions.

    Raises:
        RequestError: there are no held-out predictions.
    """
    # 1. Decide by fixed limits, which need no predictions.
    threshold, coverage = settings.threshold, settings.coverage
    if not isinstance(threshold, str) and coverage is None:
        return dict.fromkeys(by_model, Decision(threshold))

    # 2. Choose the limits of the sets.
    truth, held_out = held_out_probabilities(train, data)
    if not len(truth):
        raise RequestError(
            "evaluate.threshold and evaluate.coverage need examples that the model was not trained on; there are none. "
            "Set preprocess.validation."
        )
    limits = None if coverage is None else set_limits(truth, held_out, coverage)
    if not isinstance(threshold, str):
        return dict.fromkeys(by_model, Decision(threshold)) | {MODEL: Decision(threshold, coverage, limits)}

    # 3. Choose the thresholds.
    decisions = dict.fromkeys(by_model, Decision(best_threshold(truth, held_out, threshold)))
    have_all = all(len(by_part.get(HELD_OUT, ())) == len(truth) for by_part in by_model.values())
    part, labels = (HELD_OUT, truth) if have_all else ("validation", data.labels("validation"))
    if len(labels):
        for name, by_part in by_model.items():
            decisions[name] = Decision(best_threshold(labels, by_part[part], threshold))
    return decisions | {MODEL: replace(decisions[MODEL], coverage=coverage, set_limits=limits)}


def best_threshold(truth: Labels, probabilities: Probabilities, metric: str) -> float:
    """Return the threshold of the highest F1 or balanced accuracy, given (examples, 2).

    It is in the middle between two probabilities, or 0.5; of several, the one nearest to 0.5. Without an example of
    each class, it is 0.5.
    """
    if len(np.unique(truth)) < 2:
        return 0.5
    second = probabilities[:, 1]
    known = np.unique(second)
    cuts = np.append((known[1:] + known[:-1]) / 2, 0.5)
    # examples of each class that are put in the second one, by threshold
    wrong, right = (
        (truth == label).sum() - np.searchsorted(np.sort(second[truth == label]), cuts, side="right")
        for label in (0, 1)
    )
    firsts, seconds = (truth == 0).sum(), (truth == 1).sum()
    if metric == "f1":
        f1_of_first = 2 * (firsts - wrong) / (2 * firsts - wrong + seconds - right)
        scores = f1_of_first + 2 * right / (seconds + wrong + right)
    else:
        scores = (firsts - wrong) / firsts + right / seconds
    best = cuts[scores >= scores.max() - 1e-12]
    return float(best[np.abs(best - 0.5).argmin()])


def set_limits(truth: Labels, probabilities: Probabilities, coverage: float) -> tuple[float, ...]:
    """Return the probability from which each class is in a set, from held-out examples; 0 if these are too few."""

    def limit(chosen: npt.NDArray[np.bool_]) -> float | None:
        """Return the limit that leaves out at most a share of these examples; None if there are too few."""
        own = probabilities[chosen, truth[chosen]]
        rank = len(own) + 1 - math.ceil((len(own) + 1) * coverage - 1e-9)  # 0.9 * 10 can be above 9 in binary
        return float(np.sort(own)[rank - 1]) if rank else None

    overall = limit(truth >= 0) or 0.0
    by_class = (limit(truth == label) for label in range(probabilities.shape[1]))
    return tuple(overall if own is None else own for own in by_class)

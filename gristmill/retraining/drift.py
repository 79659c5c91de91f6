"""Drift: signs that new data differs from the data that a model was trained on.

There are three signs. Errors: the champion's errors on new data are larger than on held-out data, the most direct sign.
Inputs: the distribution of new values differs from that of the training data. Baseline: the champion is clearly worse
than the best baseline. The tests of errors and inputs are in `series_drift` (values in the order of time) and
`example_drift` (independent examples).
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from gristmill.retraining.gate import Contest
from gristmill.runs.retraining_record import CHAMPION, BaselineDrift, Drift, ErrorDrift, InputDrift, MeanDrift
from gristmill.util.block_bootstrap import independent_blocks, standard_error

Values = npt.NDArray[np.float64]

MAX_TRAINING_VALUES = 20_000  # maximum number of training values to compare new values with


def combine_signs(errors: ErrorDrift | MeanDrift | None, inputs: Sequence[InputDrift]) -> Drift:
    """Return all signs of one check.

    Errors and inputs share the false alarms equally. The p-value of an input is also adjusted for the number of inputs,
    so many columns raise no more false alarms than one, and do not hide errors that have grown.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6(2),
    1979.
    """
    families = 2 if errors and inputs else 1
    if errors:
        errors = errors.model_copy(update={"probability": min(1.0, families * errors.probability)})
    signs, adjusted = list(inputs), 0.0
    for rank, at in enumerate(sorted(range(len(signs)), key=lambda at: signs[at].probability)):
        adjusted = max(adjusted, families * (len(signs) - rank) * signs[at].probability)
        signs[at] = signs[at].model_copy(update={"probability": min(1.0, adjusted)})
    return Drift(errors=errors, inputs=signs)


def baseline_drift(contest: Contest, best: str | None) -> BaselineDrift | None:
    """Compare the champion's errors with those of the best baseline on the judged data; None without both.

    This is a t test of the paired differences with the standard error of the moving-block bootstrap. A champion whose
    error is not finite is worse than any baseline.
    """
    if best is None or CHAMPION not in contest.errors:
        return None
    difference, probability = contest.differences(CHAMPION, best), 1.0
    error = standard_error(difference, contest.block)
    blocks = independent_blocks(len(difference), contest.block)
    if not np.isfinite(contest.errors[CHAMPION]).all():
        probability = 0.0
    elif error == 0:  # the same difference in every item
        probability = 0.0 if difference.mean() > 0 else 1.0
    elif error:
        probability = float(student.sf(difference.mean() / error * math.sqrt(1 - 1 / blocks), blocks - 1))
    champion, baseline = contest.score(CHAMPION), contest.score(best)
    return BaselineDrift(
        name=best, metric=contest.metric, champion=champion, baseline=baseline, probability=probability
    )

"""Recovery: replace a champion that an alarm is about before enough new data has come for an ordinary judgement.

After an alarm, every retraining compares cheap forecasters with the champion on the data since then. A test that is
repeated as data arrives finds a difference sooner or later, even if there is none. An e-value does not: while the
champion is at least as good as the other model, the probability that its e-value ever exceeds 20 is at most 1 in 20.
"""

from collections.abc import Iterable, Sequence
from itertools import takewhile

import numpy as np
import numpy.typing as npt

from gristmill.retraining.gate import Contest
from gristmill.runs.retraining_record import CHAMPION, Retraining

Errors = npt.NDArray[np.float64]

MAX_FALSE_RECOVERIES = 0.05  # maximum probability that an alarm ever leads to a replacement that is no better
_STAKES = np.array([0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])  # shares of the capital to bet; all are tried
_MAX_ERROR_RATIO = 1.02  # the cheapest candidate within this multiple of the lowest error is chosen


def rows_since_alarm(found: Retraining, earlier: Iterable[Retraining]) -> int:
    """Return the number of new rows since the first alarm about the champion, the rows that raised it included.

    It is 0 without an alarm about errors: if only inputs changed, the champion may follow them.

    Args:
        found: the present retraining.
        earlier: retrainings before it, newest first.
    """
    about_champion = [found, *takewhile(lambda one: one.champion == found.champion, earlier)]
    signs = [sign for one in about_champion if one.drift for sign in (one.drift.errors, one.drift.baseline)]
    if not any(sign and sign.alarm for sign in signs):
        return 0
    known = 0
    for one in reversed(about_champion):
        if one.drift and one.drift.alarms:
            break
        known = one.news.later
    return found.news.later - known


def clearly_better(first_step: Contest, whole: Contest, candidates: Sequence[str]) -> str | None:
    """Return the cheapest candidate that is clearly better than the champion and about as good as the best one.

    It must have a large e-value one step ahead, where forecasts do not overlap, and a lower score over all steps.

    Args:
        first_step: errors one step ahead of the champion and the candidates; candidates that failed are missing.
        whole: their mean errors over all steps.
        candidates: names, the cheapest first.
    """
    tried = [name for name in candidates if name in whole.errors]
    threshold, scores = len(tried) / MAX_FALSE_RECOVERIES, {name: whole.score(name) for name in whole.errors}
    champion = first_step.errors[CHAMPION]
    better = [
        name
        for name in tried
        if scores[name] < scores[CHAMPION] and e_value(champion, first_step.errors[name]) >= threshold
    ]
    least = min((scores[name] for name in better), default=0.0)
    return next((name for name in better if scores[name] <= _MAX_ERROR_RATIO * least), None)


def e_value(champion: Errors, candidate: Errors) -> float:
    """Return the evidence that a candidate is better than the champion: the gain of a fair bet against the champion.

    At each time a share of the capital is bet on the difference of the errors, divided by their sum, which lies between
    -1 and 1. The gain is averaged over several shares.

    Sources: Ramdas, Grünwald, Vovk & Shafer, "Game-Theoretic Statistics and Safe Anytime-Valid Inference", Statistical
    Science 38(4), 2023; Choe & Ramdas, "Comparing Sequential Forecasters", Operations Research 72(4), 2024.

    Args:
        champion: errors one step ahead, (times,), in order, at least 0; may be infinite.
        candidate: errors at the same times.
    """
    worse = np.isinf(champion) & np.isfinite(candidate)
    better = np.isfinite(champion) & np.isinf(candidate)
    difference = 1.0 * worse - better
    compared = np.isfinite(champion) & np.isfinite(candidate) & (champion + candidate > 0)
    one, other = champion[compared], candidate[compared]
    difference[compared] = (one - other) / (one + other)
    return float(np.exp(np.log1p(_STAKES[:, np.newaxis] * difference).sum(axis=1)).mean())

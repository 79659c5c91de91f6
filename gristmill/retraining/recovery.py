"""Recovery: replace a champion that an alarm is about before enough new data has come for an ordinary judgement.

While alarms last, every retraining compares cheap forecasters with the champion on the data since the first of them. A
test that is repeated as data arrives finds a difference sooner or later, even if there is none. An e-value does not:
while the champion's expected error is not larger than the other model's, the probability that its e-value ever exceeds
20 is at most 1 in 20, if the other model's errors stay within their bound.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np

from gristmill.retraining.gate import Contest, Errors
from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, Retraining
from gristmill.settings.schedule import Gate
from gristmill.util.block_bootstrap import standard_error

MAX_FALSE_RECOVERIES = 0.05  # maximum probability that an alarm ever leads to a replacement that is no better
_MAX_WINDOWS = 4  # judging windows after which a recovery is not tried any more
_STAKES = np.array([0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95])  # shares of the capital to bet; all are tried
_MAX_ERROR_GROWTH = 4.0  # the candidate's next error is taken to be at most this multiple of the second largest so far
_MAX_PROFIT = 5.0  # maximum gain of a bet in units of its stake, so that one item never decides
_ERRORS_BETWEEN_STARTS = 4  # bets start at multiples of this; more starts would have smaller weights
_MAX_ERROR_RATIO = 1.02  # the cheapest candidate within this multiple of the lowest error is chosen


def rows_to_compare(present: Retraining, earlier: Iterable[Retraining], gate: Gate) -> int:
    """Return the number of new rows since the first of the latest alarms, the rows that raised it included.

    It is 0 without an alarm about errors, as the champion may follow inputs that changed, and a long time after the
    alarm.

    Args:
        present: the present retraining.
        earlier: retrainings before it with the same settings, newest first.
        gate: the judging window.
    """
    known = 0
    if present.drift is None or not present.drift.has_error_alarm:
        return 0
    for retraining in takewhile(lambda other: other.champion == present.champion, earlier):
        if retraining.drift and not retraining.drift.alarms:
            known = retraining.news.later
            break
    rows = present.news.later - known
    return rows if rows <= _MAX_WINDOWS * gate.window else 0


def clearly_better(first_step: Contest, whole: Contest, candidates: Sequence[str], gate: Gate) -> str | None:
    """Return the cheapest candidate that is clearly better than the champion and about as good as the best one.

    It must have a large e-value one step ahead, where forecasts do not overlap, and must be better over all steps by
    the gate's margin.

    Args:
        first_step: errors one step ahead of the champion and the candidates; candidates that failed are missing.
        whole: their mean errors over all steps.
        candidates: names, the cheapest first.
        gate: the margin.
    """
    fitted = [name for name in candidates if name in whole.errors]
    threshold, scores = len(fitted) / MAX_FALSE_RECOVERIES, {name: whole.score(name) for name in whole.errors}
    champion, limit = first_step.errors[CHAMPION], scores[CHAMPION] * (1 - gate.margin)
    better = [
        name for name in fitted if scores[name] < limit and e_value(champion, first_step.errors[name]) >= threshold
    ]
    lowest = min((scores[name] for name in better), default=0.0)
    return next((name for name in better if scores[name] <= _MAX_ERROR_RATIO * lowest), None)


def better_than_challenger(contest: Contest, challenger: Contest, candidates: Sequence[str], gate: Gate) -> str | None:
    """Return the candidate that serves in place of a challenger that is better than the champion; None if none does.

    Both replace the champion, so none of them has to be clearly better. As for a first model, the challenger may be
    worse by at most one standard error. A candidate must be better by the gate's margin.

    Args:
        contest: errors of the candidates over the judging window; candidates that failed are missing.
        challenger: errors of the challenger over the same window.
        candidates: names.
        gate: the margin.
    """
    finite = [name for name in candidates if name in contest.errors and np.isfinite(contest.score(name))]
    if not finite or len(contest.errors[CHALLENGER]) != len(challenger.errors[CHALLENGER]):  # they need other histories
        return None
    contest = replace(contest, errors=contest.errors | {CHALLENGER: challenger.errors[CHALLENGER]})
    best = min(finite, key=contest.score)
    difference = contest.differences(CHALLENGER, best)
    error = standard_error(difference, contest.block)
    is_better = contest.score(best) < contest.score(CHALLENGER) * (1 - gate.margin)
    return best if is_better and error is not None and difference.mean() > error else None


def e_value(champion: Errors, candidate: Errors) -> float:
    """Return the evidence that a candidate is better than the champion: the gain of fair bets against the champion.

    No forecaster predicts the change itself, and a seasonal forecast also fails until a whole season has passed. So
    bets begin at several times. Their gains are averaged with weights that sum to 1: again the gain of a fair bet.

    Sources: Ramdas, Grünwald, Vovk & Shafer, "Game-Theoretic Statistics and Safe Anytime-Valid Inference", Statistical
    Science 38(4), 2023; Choe & Ramdas, "Comparing Sequential Forecasters", Operations Research 72(4), 2024; for the
    starting times Shin, Ramdas & Rinaldo, "E-Detectors", New England Journal of Statistics in Data Science 2(2), 2024.

    Args:
        champion: errors one step ahead, (times,), in order, at least 0; may be infinite.
        candidate: errors at the same times.
    """
    gains = [_gain(champion[start:], candidate[start:]) for start in range(0, len(champion), _ERRORS_BETWEEN_STARTS)]
    weighted = (gain / ((rank + 1) * (rank + 2)) for rank, gain in enumerate(gains))
    return sum(weighted) + 1 / (len(gains) + 1)  # the weight of bets that begin later


def _gain(champion: Errors, candidate: Errors) -> float:
    """Return the gain of a bet that begins with the first of some errors, averaged over several shares of the capital.

    At each time a share is bet on the difference of the errors. Its unit is an upper bound of the candidate's next
    error, which is known before, so that the capital never falls below 0. The bound depends on the second largest error
    so far, so that one large error does not end the betting.
    """
    if len(champion) < 3:
        return 1.0
    largest = np.maximum.accumulate(candidate)
    second = np.maximum.accumulate(np.minimum(largest[:-1], candidate[1:]))
    bound, champion, candidate = _MAX_ERROR_GROWTH * second[:-1], champion[2:], candidate[2:]
    profit = np.zeros(len(bound))
    bet = (bound > 0) & np.isfinite(bound) & ~(np.isinf(champion) & np.isinf(candidate))
    profit[bet] = np.clip((champion[bet] - candidate[bet]) / bound[bet], -1, _MAX_PROFIT)
    return float(np.exp(np.log1p(_STAKES[:, np.newaxis] * profit).sum(axis=1)).mean())

"""Decision to promote a challenger, by its errors, the champion's and the baselines' on the same new data."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.runs.retraining_record import CHALLENGER, CHAMPION, CONFIDENCE_LEVEL, Judgement
from gristmill.runs.scores import Scores
from gristmill.settings.messages import format_number
from gristmill.settings.schedule import Gate

Errors = npt.NDArray[np.float64]

_DRAWS = 2_000
_MIN_BLOCKS = 5  # blocks
_SEED = 0


@dataclass(frozen=True)
class Contest:
    """Errors of all that were judged, in the order of time: lower is better."""

    metric: str  # mean of the errors, as it is called in reports
    errors: dict[str, Errors]  # (items,) each: of the challenger, the champion where there is one, every baseline
    block: int = 1  # items that may depend on each other: forecasts that overlap


def judge_contest(contest: Contest, gate: Gate, best: str | None) -> Judgement:
    """Return who won, and why.

    With a champion the challenger must be better than it by the gate's margin, a share of the champion's error. A
    baseline never protects a champion that loses to it. A champion whose error is not finite loses to any challenger
    whose error is. Without a champion the challenger must not be worse than the best baseline by more than one standard
    error.

    Args:
        contest: all errors.
        gate: what is asked.
        best: the best baseline (`best_baseline`).
    """
    scores = {name: float(errors.mean()) for name, errors in contest.errors.items()}
    compared = CHAMPION in scores and math.isfinite(scores[CHAMPION]) and math.isfinite(scores[CHALLENGER])
    difference = contest.errors[CHAMPION] - contest.errors[CHALLENGER] if compared else None
    promoted, why = (_against_champion if CHAMPION in scores else _against_baseline)(contest, scores, best, gate)
    return Judgement(
        metric=contest.metric,
        scores=scores,
        items=len(contest.errors[CHALLENGER]),
        difference=None if difference is None else float(difference.mean()),
        interval=None if difference is None else bootstrap(difference, contest.block),
        best_baseline=best,
        promoted=promoted,
        why=why,
    )


def best_baseline(scores: Scores, contest: Contest) -> str | None:
    """Return the baseline that was best on the validation set; on the test set where there is no other.

    One that is chosen on what it is then judged on would be the luckiest of many, which no model is asked to beat.
    Baselines whose scores or judged errors are not finite are left out.

    Args:
        scores: of a challenger, as evaluate writes them.
        contest: what is judged.
    """
    sound = {name: by_part for name, by_part in scores.baselines.items() if np.isfinite(contest.errors[name]).all()}
    for part in ("validation", "test"):
        found = {name: by_part.get(part, {}).get(scores.metric) for name, by_part in sound.items()}
        known = {name: value for name, value in found.items() if value is not None and math.isfinite(value)}
        if known:
            best: str = (max if scores.higher_is_better else min)(known, key=lambda name: known[name])
            return best
    return None


def _against_champion(contest: Contest, scores: dict[str, float], best: str | None, gate: Gate) -> tuple[bool, str]:
    own, champion, score = scores[CHALLENGER], scores[CHAMPION], f"{contest.metric} {_score(scores[CHALLENGER])}"
    if not math.isfinite(own):
        return False, _not_finite(score)
    promoted = not math.isfinite(champion) or own < champion * (1 - gate.margin)
    why = f"{score} against the champion's {_score(champion)}" + (f" less {gate.margin:.0%}" if gate.margin else "")
    if promoted and best is not None and own > scores[best]:
        why += f"; still worse than {best} with {_score(scores[best])}"
    return promoted, why


def _against_baseline(contest: Contest, scores: dict[str, float], best: str | None, gate: Gate) -> tuple[bool, str]:
    """Judge a first model. Where there are too few items for a standard error, the means alone decide."""
    own, score = scores[CHALLENGER], f"{contest.metric} {_score(scores[CHALLENGER])}"
    if not math.isfinite(own):
        return False, _not_finite(score)
    if best is None:
        return True, f"{score}; there was no champion"
    baseline = f"{best} with {_score(scores[best])}"
    if own <= scores[best]:
        return True, f"{score}, not worse than {baseline}; there was no champion"
    error = standard_error(contest.errors[CHALLENGER] - contest.errors[best], contest.block)
    if error is None:
        return False, f"{score}, worse than {baseline}; too few items for a standard error"
    shown = format_number(error, digits=2)
    if own - scores[best] > error:
        return False, f"{score}, worse than {baseline} by more than one standard error, {shown}"
    return True, f"{score}, worse than {baseline} by at most one standard error, {shown}; there was no champion"


def _score(value: float) -> str:
    return format_number(value, digits=5)


def _not_finite(score: str) -> str:
    return f"{score}: not all predictions are finite numbers"


def bootstrap(differences: Errors, block: int = 1) -> tuple[float, float] | None:
    """Return an interval around the mean of differences that may depend on their neighbours; None of too few.

    Blocks of consecutive differences are drawn with replacement, as long as the cube root of their number, and at
    least as long as `block`. Fewer than five of them side by side say too little, and so do differences that are not
    finite.

    Source: Künsch, "The Jackknife and the Bootstrap for General Stationary Observations", Annals of Statistics 17(3),
    1989.
    """
    means = _drawn_means(differences, block)
    if means is None:
        return None
    low, high = np.quantile(means, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    return float(low), float(high)


def standard_error(differences: Errors, block: int = 1) -> float | None:
    """Return the standard error of the mean difference by the same bootstrap; None with fewer than five blocks."""
    means = _drawn_means(differences, block)
    return None if means is None else float(means.std())


def independent_blocks(count: int, block: int = 1) -> float:
    """Return how many blocks of the bootstrap fit side by side into so many differences."""
    return count / _length(count, block)


def _length(count: int, block: int) -> int:
    return max(block, round(math.cbrt(count)))


def _drawn_means(differences: Errors, block: int) -> Errors | None:
    """Return the means of bootstrap samples, (draws,)."""
    count = len(differences)
    length = _length(count, block)
    if count < _MIN_BLOCKS * length or not np.isfinite(differences).all():
        return None
    sums = np.convolve(differences, np.ones(length), mode="valid")  # of each block
    blocks = -(-count // length)
    random: Any = np.random.default_rng(_SEED)
    means: Errors = sums[random.integers(0, len(sums), size=(_DRAWS, blocks))].sum(axis=1) / (blocks * length)
    return means

"""Whether a challenger is promoted: its errors beside the champion's and the baselines', all on the same new data."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.freshness import Gate
from gristmill.retraining import CHALLENGER, CHAMPION, LEVEL, Judgement

Errors = npt.NDArray[np.float64]

_DRAWS = 2_000
_FEWEST = 5  # blocks
_SEED = 0


@dataclass(frozen=True)
class Contest:
    """Errors of all that were judged, in the order of time: lower is better."""

    metric: str  # mean of the errors, as it is called in reports
    errors: dict[str, Errors]  # (items,) each: of the challenger, the champion where there is one, every baseline
    block: int = 1  # items that may depend on each other: forecasts that overlap


def judge(contest: Contest, gate: Gate, best: str | None) -> Judgement:
    """Return who won, and why.

    The challenger must be better than the champion by the gate's margin, a share of the champion's error. Where
    baselines are required it must also be no worse than the best of them. Without a champion that alone counts.

    Args:
        contest: all errors.
        gate: what is asked.
        best: the best baseline (`best_baseline`).
    """
    scores = {name: float(errors.mean()) for name, errors in contest.errors.items()}
    difference = contest.errors[CHAMPION] - contest.errors[CHALLENGER] if CHAMPION in scores else None
    promoted, why = _decided(contest.metric, scores, best, gate)
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


def best_baseline(scores: dict[str, Any]) -> str | None:
    """Return the baseline that was best on the validation part; on the test part where there is no other.

    One that is chosen on what it is then judged on would be the luckiest of many, which no model is asked to beat.

    Args:
        scores: of a challenger, as evaluate writes them.
    """
    metric, higher = scores["headline"]["metric"], scores["headline"].get("higher_is_better", False)
    for part in ("validation", "test"):
        found = {name: by_part.get(part, {}).get(metric) for name, by_part in scores["baselines"].items()}
        known = {name: value for name, value in found.items() if value is not None}
        if known:
            best: str = (max if higher else min)(known, key=lambda name: known[name])
            return best
    return None


def _decided(metric: str, scores: dict[str, float], best: str | None, gate: Gate) -> tuple[bool, str]:
    own, told = scores[CHALLENGER], f"{metric} {scores[CHALLENGER]:.5g}"
    if not math.isfinite(own):
        return False, f"{told}: not all that it gives are finite numbers"
    if best is not None and gate.baseline == "require" and not own <= scores[best]:
        return False, f"{told}, worse than {best} with {scores[best]:.5g}"
    if CHAMPION not in scores:
        beside = f", beside {scores[best]:.5g} of {best}" if best else ""
        return True, f"{told}{beside}; there was no champion"
    asked = scores[CHAMPION] * (1 - gate.margin)
    beside = f"against the champion's {scores[CHAMPION]:.5g}" + (f" less {gate.margin:.0%}" if gate.margin else "")
    return own < asked, f"{told} {beside}"


def bootstrap(differences: Errors, block: int = 1) -> tuple[float, float] | None:
    """Return an interval around the mean of differences that may depend on their neighbours; None of too few.

    Blocks of consecutive differences are drawn with replacement, as long as the cube root of their number, and at
    least as long as `block`. Fewer than five of them side by side say too little.

    Source: Künsch, "The Jackknife and the Bootstrap for General Stationary Observations", Annals of Statistics 17(3),
    1989.
    """
    count = len(differences)
    length = max(block, round(count ** (1 / 3)))
    if count < _FEWEST * length:
        return None
    sums = np.convolve(differences, np.ones(length), mode="valid")  # of each block
    blocks = -(-count // length)
    random: Any = np.random.default_rng(_SEED)
    means = sums[random.integers(0, len(sums), size=(_DRAWS, blocks))].sum(axis=1) / (blocks * length)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)

"""Order of scores, some of which may be missing: a missing score is never the best."""

import math


def rank(score: float | None, higher_is_better: bool = False) -> tuple[bool, float]:
    """Return a key that sorts scores from best to worst, with missing scores and NaN last.

    >>> sorted([2.0, None, 1.0], key=rank)
    [1.0, 2.0, None]
    """
    if score is None or math.isnan(score):
        return True, 0.0
    return False, -score if higher_is_better else score

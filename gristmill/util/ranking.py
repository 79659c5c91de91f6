"""The order of scores, some of which may be missing: what cannot be computed is never the best."""

import math


def rank(score: float | None, higher_is_better: bool = False) -> tuple[bool, float]:
    """Return a key that sorts scores from the best to the worst; missing ones and those that are no number come last.

    >>> sorted([2.0, None, 1.0], key=rank)
    [1.0, 2.0, None]
    """
    if score is None or math.isnan(score):
        return True, 0.0
    return False, -score if higher_is_better else score

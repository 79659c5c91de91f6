"""Permutation importance: the rise of a model's error when a feature is shuffled among the examples.

The interval of a rise is that of the bootstrap over the examples, so it is wide if few examples make the rise.

Sources: Breiman, "Random Forests", Machine Learning 45(1), 2001; for any model: Fisher, Rudin and Dominici, "All Models
are Wrong, but Many are Useful", JMLR 20(177), 2019.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from gristmill.util.block_bootstrap import confidence_interval

IMPORTANCE_FILE = "importance.json"  # in the artifact of evaluate, if there is more than one feature
MAX_EXAMPLES = 2_000  # each shuffle predicts all of them

_LEVEL = 0.95
_REPEATS = 5  # shuffles of each feature

Orders = npt.NDArray[np.int64]  # positions of examples, (orders, examples)
Losses = Callable[[str, Orders], npt.NDArray[np.float64]]
"""Return the loss of each example, (orders, examples), with one feature permuted by each order of the examples."""


def importance(
    features: Iterable[str], losses: Losses, count: int, block: int = 0, is_root: bool = False
) -> dict[str, Any]:
    """Return the error of `count` examples, and its rise with each feature shuffled, the largest rise first.

    The error is the mean loss, or its square root. A feature's `rise` is the mean of five shuffles, with a confidence
    interval from `low` to `high`, which are None for too few examples (`block_bootstrap.py`). `block` is the number of
    neighbouring examples that may depend on each other.
    """
    random = np.random.default_rng(0)
    names = list(features)
    unshuffled = losses(names[0], np.arange(count)[np.newaxis])[0]
    error = _error(unshuffled, is_root)
    ranked: list[dict[str, Any]] = []
    for name in names:
        shuffled = losses(name, np.stack([random.permutation(count) for _ in range(_REPEATS)])).mean(axis=0)
        # The difference of two roots is the difference of their squares over their sum.
        sum_of_roots = _error(shuffled, is_root) + error if is_root else 1.0
        rises = (shuffled - unshuffled) / (sum_of_roots or 1.0)
        low, high = confidence_interval(rises, _LEVEL, block) or (None, None)
        ranked.append({"feature": name, "rise": float(rises.mean()), "low": low, "high": high})
    ranked.sort(key=lambda feature: -feature["rise"])
    return {"error": error, "examples": count, "repeats": _REPEATS, "level": _LEVEL, "features": ranked}


def relies_on_one(ranking: dict[str, Any] | None) -> bool:
    """Return whether one of several features makes 99 % of the importance."""
    rises: list[float] = [max(feature["rise"], 0.0) for feature in ranking["features"]] if ranking else []
    return sum(rises) > 0 and max(rises) >= 0.99 * sum(rises)


def _error(losses: npt.NDArray[np.float64], is_root: bool) -> float:
    return float(np.sqrt(losses.mean()) if is_root else losses.mean())

"""Permutation importance: the rise of a model's error when a feature is shuffled among the examples.

Sources: Breiman, "Random Forests", Machine Learning 45(1), 2001; for any model: Fisher, Rudin and Dominici, "All Models
are Wrong, but Many are Useful", JMLR 20(177), 2019.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

IMPORTANCE_FILE = "importance.json"  # in the artifact of evaluate, if there is more than one feature

_REPEATS = 5
_MAX_EXAMPLES = 2_000  # each shuffle predicts all of them
_SEED = 0

Order = npt.NDArray[np.int64]  # positions of examples, (examples,)
Error = Callable[[str, Order], float]
"""Return the error of predictions with one feature permuted by the given order of examples."""


def sample_positions(count: int) -> Order:
    """Return the positions of the examples to shuffle, in order: all of `count`, or 2,000 of them."""
    return np.sort(np.random.default_rng(_SEED).permutation(count)[:_MAX_EXAMPLES])


def importance(features: Iterable[str], error: Error, count: int) -> dict[str, Any]:
    """Return the error of `count` examples, and its rise with each feature shuffled, the largest rise first.

    A feature's `rise` is the mean of five shuffles, `deviation` their standard deviation.
    """
    random, names = np.random.default_rng(_SEED), list(features)
    unshuffled = error(names[0], np.arange(count))
    rises = {name: [error(name, random.permutation(count)) - unshuffled for _ in range(_REPEATS)] for name in names}
    ranked = [
        {"feature": name, "rise": float(np.mean(rises[name])), "deviation": float(np.std(rises[name]))}
        for name in sorted(names, key=lambda name: -np.mean(rises[name]))
    ]
    return {"error": unshuffled, "examples": count, "repeats": _REPEATS, "features": ranked}

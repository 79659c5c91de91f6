"""Permutation importance: how much worse a model predicts once a feature is shuffled among the examples.

Source: Breiman, "Random Forests", Machine Learning 45(1), 2001; of any model: Fisher, Rudin and Dominici, "All Models
are Wrong, but Many are Useful", JMLR 20(177), 2019.
"""

from collections.abc import Callable, Iterable
from typing import Any

IMPORTANCE_FILE = "importance.json"  # of evaluate, where there is more than one feature

_REPEATS = 5
_MOST = 2_000  # examples: what a shuffle costs is their predictions
_SEED = 0

Order = Any  # positions of examples, int64 (examples,); NumPy is imported late
Error = Callable[[str, Order], float]
"""The error of predictions where a feature's values come from the examples in another order, the others' not."""


def sample_positions(count: int) -> Order:
    """Return the positions of the examples to shuffle, in order: all of `count`, or 2,000 of them."""
    import numpy as np

    return np.sort(np.random.default_rng(_SEED).permutation(count)[:_MOST])


def importance(features: Iterable[str], error: Error, count: int) -> dict[str, Any]:
    """Return the error as it is, and by how much it rises with each feature shuffled, the largest rise first.

    A feature's `rise` is the mean of five shuffles, `deviation` their standard deviation.

    Args:
        features: their names.
        error: lower is better.
        count: examples that are shuffled.
    """
    import numpy as np

    random, names = np.random.default_rng(_SEED), list(features)
    as_it_is = error(names[0], np.arange(count))
    rises = {name: [error(name, random.permutation(count)) - as_it_is for _ in range(_REPEATS)] for name in names}
    found = [
        {"feature": name, "rise": float(np.mean(rises[name])), "deviation": float(np.std(rises[name]))}
        for name in sorted(names, key=lambda name: -np.mean(rises[name]))
    ]
    return {"error": as_it_is, "examples": count, "repeats": _REPEATS, "features": found}

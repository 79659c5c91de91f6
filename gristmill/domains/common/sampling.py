"""Samples of examples, for work whose cost grows with their number."""

import numpy as np
import numpy.typing as npt
import pandas as pd

Positions = npt.NDArray[np.int64]


def evenly_spaced(count: int, limit: int) -> Positions:
    """Return at most `limit` evenly spaced positions among `count` examples."""
    return np.linspace(0, count - 1, min(count, limit)).astype(np.int64)


def sample_positions(
    count: int,
    limit: int,
    labels: npt.NDArray[np.int64] | None = None,
    sizes: npt.NDArray[np.int64] | None = None,
) -> Positions:
    """Return at most `limit` positions among `count` examples, drawn at random, ascending.

    With `labels`, (count,), classes keep their shares, and each has an example if `limit` allows it. With `sizes`,
    (count,), such as characters, their sum is at most `limit`, unless one example alone is larger.
    """
    sizes = np.ones(count, np.int64) if sizes is None else sizes
    if sizes.sum() <= limit:
        return np.arange(count)
    order = np.random.default_rng(0).permutation(count)
    if labels is not None:
        by_class = pd.Series(labels[order]).groupby(labels[order])
        shares = (by_class.cumcount() / by_class.transform("size")).to_numpy()  # 0 for the first example of each class
        order = order[np.argsort(shares, kind="stable")]
    fitting = int(np.searchsorted(np.cumsum(sizes[order]), limit, side="right"))
    return np.sort(order[: max(1, fitting)])

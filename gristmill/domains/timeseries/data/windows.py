"""Windows over series, gathered by index; the same functions serve training, validation, test and prediction.

A window is identified by its origin, the position of the first value to forecast. It sees `history` values before the
origin, and its targets are `horizon` values from the origin. With history 3, horizon 2 and stride 1, the part [4, 8) of
a series has three windows:

    >>> origins([(4, 8)], history=3, horizon=2)
    array([4, 5, 6])
    >>> history_index(origins([(4, 8)], history=3, horizon=2), 3)
    array([[1, 2, 3],
           [2, 3, 4],
           [3, 4, 5]])
    >>> target_index(origins([(4, 8)], history=3, horizon=2), 2)
    array([[4, 5],
           [5, 6],
           [6, 7]])

In a sequence, each step of a window has the `horizon` values that follow the step as targets:

    >>> sequence_index(origins([(4, 5)], history=3, horizon=1), 3, 1)
    array([[[2],
            [3],
            [4]]])

A window belongs to a part if all its targets do. Its history may reach back into the part before, which was known at
that time. So no window sees its own targets, and no training window has targets in the validation or test set.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Origins = npt.NDArray[np.int64]
Index = Any  # a NumPy array or a TensorFlow tensor of int64: the arithmetic is the same

_GOLDEN_RATIO = (1 + 5**0.5) / 2


def origins(parts: npt.ArrayLike, history: int, horizon: int, stride: int = 1, firsts: Any = 0) -> Origins:
    """Return the origins of the windows of several series, one after the other.

    The targets of a window are all in the part of its series, a half-open range of positions in `parts`, (series, 2).
    No window reaches back before `firsts`, the positions at which the series begin.
    """
    begins, ends = np.asarray(parts).T
    begins, ends = np.maximum(begins, firsts + history), ends - horizon + 1
    counts = np.maximum(0, -((begins - ends) // stride))  # rounded up
    before = np.cumsum(counts) - counts
    return np.asarray(np.repeat(begins - before * stride, counts) + stride * np.arange(counts.sum()))


def thinned(starts: Origins, limit: int) -> Origins:
    """Return about `limit` of the origins, spread evenly; all of them if they are fewer.

    Multiples of the golden ratio modulo 1 spread over [0, 1) without a period. Every k-th origin could be the same
    place of each series, such as one month.
    """
    if len(starts) <= limit:
        return starts
    return starts[np.arange(len(starts)) * _GOLDEN_RATIO % 1 < limit / len(starts)]


def history_index(starts: Index, history: int) -> Index:
    """Return the positions of the windows' inputs, (…, history)."""
    return starts[..., np.newaxis] + np.arange(-history, 0)


def target_index(starts: Index, horizon: int) -> Index:
    """Return the positions of the windows' targets, (…, horizon)."""
    return starts[..., np.newaxis] + np.arange(horizon)


def sequence_index(starts: Index, history: int, horizon: int) -> Index:
    """Return the positions that follow each step of the windows, (…, history, horizon)."""
    return target_index(history_index(starts, history) + 1, horizon)

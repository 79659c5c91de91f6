"""Windows over series, gathered by index: one function for training, validation, test and prediction.

A window is named by its origin, the position of the first value it forecasts. It sees `history` values before the
origin and is judged on `horizon` values from the origin on. With history 3, horizon 2 and stride 1, the part [4, 8)
of a series has three windows:

    >>> origins((4, 8), history=3, horizon=2)
    array([4, 5, 6])
    >>> history_index(origins((4, 8), history=3, horizon=2), 3)
    array([[1, 2, 3],
           [2, 3, 4],
           [3, 4, 5]])
    >>> target_index(origins((4, 8), history=3, horizon=2), 2)
    array([[4, 5],
           [5, 6],
           [6, 7]])

Learned as a sequence, a window is judged after each of its steps on the `horizon` values that follow the step:

    >>> sequence_index(origins((4, 5), history=3, horizon=1), 3, 1)
    array([[[2],
            [3],
            [4]]])

A window belongs to a part when all its targets do; its history may reach back into the part before, which is what was
known at that time. So no window is judged on a value it has seen, and none of training is judged on validation or test.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Origins = npt.NDArray[np.int64]
Index = Any  # a NumPy array or a TensorFlow tensor of int64: the arithmetic is the same


def origins(part: tuple[int, int], history: int, horizon: int, stride: int = 1, first: int = 0) -> Origins:
    """Return the origins of the windows whose targets all lie in `part`, a half-open range of positions.

    No window reaches back beyond `first`, the position where its series begins.
    """
    begin, end = part
    return np.arange(max(begin, first + history), end - horizon + 1, stride)


def history_index(starts: Index, history: int) -> Index:
    """Return the positions that the windows see: (…, history)."""
    return starts[..., np.newaxis] + np.arange(-history, 0)


def target_index(starts: Index, horizon: int) -> Index:
    """Return the positions that the windows are judged on: (…, horizon)."""
    return starts[..., np.newaxis] + np.arange(horizon)


def sequence_index(starts: Index, history: int, horizon: int) -> Index:
    """Return the positions that follow each step of the windows: (…, history, horizon)."""
    return target_index(history_index(starts, history) + 1, horizon)

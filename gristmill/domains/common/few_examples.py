"""Prepared data cut to few examples, as all domains do it: `gristmill/<domain>/cut.py` holds a function `cut`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

OVERFIT_EXAMPLES = 8  # examples that a network of any size should learn by heart

_APART = 0.03  # of the largest distance: how far a row must be from those that others make

Folders = Mapping[str, Path]  # of artifacts, by stage
Positions = npt.NDArray[np.int64]


def evenly_spaced(count: int, most: int) -> Positions:
    """Return positions from all over so many examples, of as many as there are where `most` are not."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def affinely_independent_rows(rows: npt.NDArray[Any]) -> Positions:
    """Return the positions, in order, of rows that a network without a hidden unit can give any targets.

    With a one for the bias beside them they are independent, and well apart; so no two of them are equal.

    Args:
        rows: (rows, features), scaled.
    """
    biased = np.column_stack([rows, np.ones(len(rows))]).astype(np.float64)
    triangle, order = linalg.qr(biased.T, mode="r", pivoting=True)  # always the row farthest from those before
    distances = np.abs(np.diag(triangle))
    return np.sort(order[: len(distances)][distances >= _APART * distances[0]]).astype(np.int64)

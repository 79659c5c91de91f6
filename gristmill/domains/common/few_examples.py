"""Choice of a few training examples, for `gristmill check`; `few_examples.py` of each domain holds a function `cut`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from gristmill.domains.common.folds import Positions

OVERFIT_EXAMPLES = 8  # a network of any size should be able to memorise this many examples

_MIN_DISTANCE = 0.03  # share of the largest distance that a row must keep from the span of the others

Folders = Mapping[str, Path]  # of artifacts, by stage


def evenly_spaced(count: int, most: int) -> Positions:
    """Return at most `most` evenly spaced positions among `count` examples."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def affinely_independent_rows(rows: npt.NDArray[Any]) -> Positions:
    """Return the positions, in order, of scaled rows that a network without a hidden unit can fit to any targets.

    With a 1 for the bias appended they are linearly independent, and well apart; so no two of them are equal.
    """
    biased = np.column_stack([rows, np.ones(len(rows))]).astype(np.float64)
    triangle, order = linalg.qr(biased.T, mode="r", pivoting=True)  # picks the row farthest from those before
    distances = np.abs(np.diag(triangle))
    return np.sort(order[: len(distances)][distances >= _MIN_DISTANCE * distances[0]]).astype(np.int64)

"""Choice of a few training examples, for `gristmill check`, by `take_few_examples` of each domain."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg

from gristmill.domains.common.classification.labelled import LabelledDataset, Labels
from gristmill.domains.common.folds import Positions

OVERFIT_EXAMPLES = 8  # a network of any size should be able to memorise this many examples

_MIN_DISTANCE = 0.03  # share of the largest distance that a row must keep from the span of the others
_CANDIDATES = 10 * OVERFIT_EXAMPLES  # examples, some of which may be equal

Folders = Mapping[str, Path]  # of artifacts, by stage


def affinely_independent_rows(rows: npt.NDArray[Any]) -> Positions:
    """Return the positions, in order, of scaled rows that a network without a hidden unit can fit to any targets.

    With a 1 for the bias appended they are linearly independent, and well apart; so no two of them are equal.
    """
    biased = np.column_stack([rows, np.ones(len(rows))]).astype(np.float64)
    triangle, order = linalg.qr(biased.T, mode="r", pivoting=True)  # picks the row farthest from those before
    distances = np.abs(np.diag(triangle))
    return np.sort(order[: len(distances)][distances >= _MIN_DISTANCE * distances[0]]).astype(np.int64)


def choose_examples(
    data: LabelledDataset, count: int | None, contents: Callable[[Positions], list[bytes]]
) -> Positions:
    """Return the positions of `count` examples within the training set, in order; if None, of a few distinct ones.

    Each class has the same number of examples if possible. An example that occurs twice, with two labels, cannot be
    memorised. `contents` returns the network's input for examples at ascending positions.
    """
    labels = data.labels("train")
    if count is not None:
        return _balanced(labels, count)
    candidates = _balanced(labels, _CANDIDATES)
    distinct = candidates[~pd.Series(contents(candidates)).duplicated()]
    return distinct[_balanced(labels[distinct], OVERFIT_EXAMPLES)]


def _balanced(labels: Labels, count: int) -> Positions:
    turns = pd.Series(labels).groupby(labels).cumcount()  # the first of each class, then the second
    return np.sort(np.argsort(turns.to_numpy(), kind="stable")[:count])

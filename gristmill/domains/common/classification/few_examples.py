"""Choose a few training examples, with the same number per class if possible."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.labelled import LabelledDataset, Labels
from gristmill.domains.common.few_examples import OVERFIT_EXAMPLES
from gristmill.domains.common.folds import Positions

_CANDIDATES = 10 * OVERFIT_EXAMPLES  # examples, some of which may be equal


def choose_examples(
    data: LabelledDataset, count: int | None, contents: Callable[[Positions], list[bytes]]
) -> Positions:
    """Return the positions of `count` examples within the training set, in order; if None, of a few distinct ones.

    An example that occurs twice, with two labels, cannot be memorised. `contents` returns the network's input
    for examples at ascending positions.
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

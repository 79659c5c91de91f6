"""A few examples that differ: of each class as many as of any other, as far as there are."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.labelled import LabelledDataset, Labels
from gristmill.domains.common.few_examples import OVERFIT_EXAMPLES, Positions

_LOOKED_AT = 10 * OVERFIT_EXAMPLES  # examples, among which some may be equal


def balanced_examples(data: LabelledDataset, most: int) -> Positions:
    """Return the positions of `most` examples within the training part, in order."""
    return _in_turn(data.labels("train"), most)


def distinct_examples(data: LabelledDataset, contents: Callable[[Positions], list[bytes]]) -> Positions:
    """Return the positions, within the training part and in order, of few examples none of which equals another.

    An example that stands there twice, with two labels, cannot be learned by heart.

    Args:
        data: the examples.
        contents: returns what a network sees of the examples at some positions of the training part, which ascend.
    """
    looked_at = balanced_examples(data, _LOOKED_AT)
    found = looked_at[~pd.Series(contents(looked_at)).duplicated()]
    return found[_in_turn(data.labels("train")[found], OVERFIT_EXAMPLES)]


def _in_turn(labels: Labels, most: int) -> Positions:
    turns = pd.Series(labels).groupby(labels).cumcount()  # the first of each class, then the second
    return np.sort(np.argsort(turns.to_numpy(), kind="stable")[:most])

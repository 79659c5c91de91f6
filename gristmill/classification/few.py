"""A few examples that differ: of each class as many as of any other, as far as there are."""

import numpy as np
import numpy.typing as npt

from gristmill.classification.labelled import Labelled


def varied(data: Labelled, most: int) -> npt.NDArray[np.int64]:
    """Return the positions of `most` examples within the training part, in order."""
    turns = data.rows("train").groupby("label").cumcount().to_numpy()  # the first of each class, then the second
    return np.sort(np.argsort(turns, kind="stable")[:most])

"""What ingest counts of examples and their classes, and what of it no classifier can be trained and tested on."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gristmill.errors import DataError


def count_by_class(index: pd.DataFrame, classes: Sequence[str]) -> dict[str, int]:
    """Return how many examples each class has; `label` of the index is the position of the class."""
    counts = np.bincount(index["label"], minlength=len(classes))
    return dict(zip(classes, counts.tolist(), strict=True))


def quartiles(values: "pd.Series[int]") -> dict[str, float]:
    """Return the least of some numbers, the quarters between, and the largest."""
    names = ("min", "quarter", "median", "three_quarters", "max")
    return dict(zip(names, values.quantile([0, 0.25, 0.5, 0.75, 1]).tolist(), strict=True))


def check_classes(index: pd.DataFrame, classes: Sequence[str], example: str, left: str = "") -> None:
    """Refuse examples that no classifier can be trained and tested on.

    Args:
        index: `label` (position of the class) and `part` (of the source, or missing) of each example.
        classes: names by label.
        example: what one is called, for the error: photo, text.
        left: what those are that count, where others do not, for the error.

    Raises:
        DataError: there is one class, or one of them has too few examples.
    """
    if len(classes) < 2:
        raise DataError(
            f"all {len(index)} {example}s are of one class, {classes[0]!r}: there is nothing to tell apart. "
            f"Add {example}s of another class."
        )
    to_be_split = not (index["part"] == "test").any()
    for name, count in count_by_class(index, classes).items():
        if count < (2 if to_be_split else 1):
            raise DataError(
                f"class {name!r} has {'one' if count else 'no'} {example}{left}, but needs one to train on and another "
                f"to test on. Add {example}s, or leave the class out."
            )

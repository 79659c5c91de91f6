"""Counts of ingested examples by class, and the check that a classifier can be trained and tested on them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gristmill.errors import DataError


def count_by_class(index: pd.DataFrame, classes: Sequence[str]) -> dict[str, int]:
    """Return the number of examples of each class; `label` of the index is the position of the class."""
    counts = np.bincount(index["label"], minlength=len(classes))
    return dict(zip(classes, counts.tolist(), strict=True))


def quartiles(values: "pd.Series[int]") -> dict[str, float]:
    """Return minimum, quartiles and maximum."""
    names = ("min", "quarter", "median", "three_quarters", "max")
    return dict(zip(names, values.quantile([0, 0.25, 0.5, 0.75, 1]).tolist(), strict=True))


def check_classes(index: pd.DataFrame, classes: Sequence[str], example: str, which: str = "") -> None:
    """Raise a `DataError` if there is a single class, or if a class has too few examples to train and test on.

    The index has columns `label` (position of the class) and `part` (of the source, or missing). `example` is the noun
    for the message (photo, text), and `which` a suffix that says which examples are counted.
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
                f"class {name!r} has {'one' if count else 'no'} {example}{which}, but needs one to train on and "
                f"another to test on. Add {example}s, or leave the class out."
            )

"""Differences between two sets of examples, which have no order in time and are identified by their content."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.runs.retraining_record import DataChanges, LostRows

Mask = npt.NDArray[np.bool_]  # (examples,)

CONTENT = "content"  # column that identifies an example


def compare_examples(now: pd.DataFrame, before: pd.DataFrame | None) -> DataChanges:
    """Count new, revised and removed examples. Copies of an example count one by one.

    An example is revised if its `content` is known and another column has changed.
    """
    if before is None:
        return DataChanges(later=len(now))
    kept = _common(now, before, [CONTENT])
    return DataChanges(
        later=len(now) - kept,
        revised=kept - _common(now, before, list(now.columns)),
        removed=len(before) - kept,
    )


def _common(now: pd.DataFrame, before: pd.DataFrame, columns: list[str]) -> int:
    """Return the number of pairs of rows that are equal in some columns; each row is in at most one pair."""
    counts = [table.groupby(columns, sort=False).size() for table in (now, before)]
    return int(np.minimum(*counts[0].align(counts[1], fill_value=0)).sum())


def lost_examples(
    now: "pd.Series[Any]", before: "pd.Series[Any]", name: Callable[[int], str], what: str = "examples"
) -> LostRows:
    """Count missing examples by their contents; a changed one, which is missing and new, does not count.

    `name` returns the name of an earlier example by its position, and `what` is the noun for examples.
    """
    missing = ~before.isin(now).to_numpy()
    count = min(int(missing.sum()), max(0, len(before) - len(now)))
    return LostRows(count, len(before), what, name(int(missing.argmax())) if count else "")


def unseen_examples(tested: "pd.Series[Any]", *learned: "pd.Series[Any]") -> Mask:
    """Return which contents of a test set are in none of the sets that models were trained or chosen on."""
    mask: Mask = ~np.logical_or.reduce([tested.isin(known).to_numpy() for known in learned])
    return mask

"""What a retraining asks of examples, which have no order in time: each is known by its content alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.runs.retraining_record import DataChanges, LostRows

Mask = npt.NDArray[np.bool_]  # (examples,)

CONTENT = "content"


def compare_examples(now: pd.DataFrame, before: pd.DataFrame | None) -> DataChanges:
    """Return how examples differ from earlier ones.

    An example that is there more often than before is new as many times, and one that is there less often removed. It
    is revised where its content is known and something else that is said of it is not.

    Args:
        now: column `content`, and in the others, which are text, what else is said of each example.
        before: the same of the earlier ones; None if there are none.
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
    """Return how many rows are equal in some columns, each paired with one of the other table at most."""
    counts = [table.groupby(columns, sort=False).size() for table in (now, before)]
    return int(np.minimum(*counts[0].align(counts[1], fill_value=0)).sum())


def lost_examples(
    now: "pd.Series[Any]", before: "pd.Series[Any]", name: Callable[[int], str], what: str = "examples"
) -> LostRows:
    """Return how many examples are missing; a changed one, which is missing and new, does not count.

    Args:
        now: content of each example.
        before: content of each earlier example.
        name: names an earlier example by its position.
        what: is counted.
    """
    missing = ~before.isin(now).to_numpy()
    count = min(int(missing.sum()), max(0, len(before) - len(now)))
    return LostRows(count, len(before), what, name(int(missing.argmax())) if count else "")


def unseen_examples(tested: "pd.Series[Any]", *learned: "pd.Series[Any]") -> Mask:
    """Return which examples of a test part are in nothing that was trained or chosen on: there may be none.

    Args:
        tested: contents of the test part.
        learned: contents of what champion and challenger were trained and chosen on.
    """
    mask: Mask = ~np.logical_or.reduce([tested.isin(known).to_numpy() for known in learned])
    return mask

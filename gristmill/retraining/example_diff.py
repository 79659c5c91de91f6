"""Differences between two sets of examples, which have no order in time and are identified by their content."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.runs.retraining_record import ADDED, CHANGED, LOST, DataChanges, LostRows

Mask = npt.NDArray[np.bool_]  # (examples,)

BEFORE, NOT_COMPARED = "before", "not compared"  # attributes of a table of differences
ONLY_NOW, ONLY_BEFORE, OTHER_TYPE = "only version {now}", "only version {before}", "of another type"

CONTENT = "\0content"  # column that identifies an example; no source has a column with such a name
_AT, _COPY, _NUMBER, _ORIGIN = "\0at", "\0copy", "\0number", "\0origin"


def compare_examples(now: pd.DataFrame, before: pd.DataFrame | None) -> DataChanges:
    """Count new, revised and removed examples. Copies of an example count one by one.

    An example is revised if its `content` is known and another column has changed.
    """
    if before is None:
        return DataChanges(later=len(now))
    counts = diff_examples(now, before, list(now.columns)).index.value_counts()
    return DataChanges(later=counts.get(ADDED, 0), revised=counts.get(CHANGED, 0), removed=counts.get(LOST, 0))


def diff_examples(now: pd.DataFrame, before: pd.DataFrame, compared: list[str]) -> pd.DataFrame:
    """Return the examples that differ, as `diff_rows` does, in the order of their tables.

    `compared` are `CONTENT` and the columns whose change counts. Other columns describe an example and are there once.
    """
    unequal = []
    for table, other in ((now, before), (before, now)):
        # Keep the rows without an equal row in the other table, in which each row is matched at most once.
        own, others = (
            examples[compared].assign(**{_NUMBER: examples.groupby(compared, sort=False).cumcount().to_numpy()})
            for examples in (table, other)
        )
        origin = own.merge(others, how="left", indicator=_ORIGIN)[_ORIGIN]
        kept = table.assign(**{_AT: np.arange(len(table))})[(origin == "left_only").to_numpy()]
        kept[_COPY] = kept.groupby(CONTENT, sort=False).cumcount()
        unequal.append(kept)
    rows, earlier = unequal
    changes = diff_rows(rows, earlier, [CONTENT, _COPY])
    for name in (name for name in shared_columns(rows, earlier) if name not in (*compared, _COPY)):
        changes[name] = changes[name].fillna(changes.pop(f"{name}{changes.attrs[BEFORE]}")).astype(rows[name].dtype)
    return changes.sort_values(_AT, kind="stable").drop(columns=[CONTENT, _COPY, _AT])


def shared_columns(now: pd.DataFrame, before: pd.DataFrame) -> list[str]:
    """Return the columns that both tables have as numbers, as times or as text."""
    return [str(name) for name in now if name in before and now[name].dtype.kind == before[name].dtype.kind]


def diff_rows(now: pd.DataFrame, before: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return the rows that were added, changed or lost, with this kind of change as the index.

    Args:
        now: the later table.
        before: the earlier table.
        keys: columns that identify a row of both tables.

    Returns:
        The keys and, twice, each of the other `shared_columns`: `y`, empty for a lost row, and `y before`, empty for
        an added one. `attrs` hold the ending of such a name, which is longer if the table itself has a column
        `y before`, and why columns are not compared.
    """
    columns = [*keys, *(name for name in shared_columns(now, before) if name not in keys)]
    ending = " before"
    while any(f"{name}{ending}" in columns for name in columns):
        ending += " before"
    both = now[columns].merge(before[columns], how="outer", on=keys, suffixes=("", ending), indicator=_ORIGIN)
    change = both.pop(_ORIGIN).map({"left_only": ADDED, "right_only": LOST, "both": CHANGED})
    equal = (change == CHANGED).to_numpy()
    for name in columns[len(keys) :]:
        values, earlier = both[name], both[f"{name}{ending}"]
        equal = equal & ((values == earlier) | (values.isna() & earlier.isna())).to_numpy()
    changes = both.set_index(pd.Index(change.astype("str"), name="change"))[~equal]
    # Say why columns of either table are not compared, without the numbers of the versions.
    others = (str(name) for name in dict.fromkeys([*now, *before]) if name not in columns)
    reasons = {name: ONLY_NOW if name not in before else OTHER_TYPE if name in now else ONLY_BEFORE for name in others}
    changes.attrs = {BEFORE: ending, NOT_COMPARED: reasons}
    return changes


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

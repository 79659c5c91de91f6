"""Groups of examples that stay in one set or fold: copies of one example, or all examples of one person or scene.

Where the source's own parts share copies, these are reported, because that inflates the score of a part.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.labelled import Labels
from gristmill.errors import DataError, RequestError, count_of, short_repr
from gristmill.settings.messages import unknown_name

Groups = npt.NDArray[np.int64]  # (examples,): number of the group

_MAX_PAIRS_LISTED = 5


def merge_groups(*groups: Groups) -> Groups:
    """Return groups such that examples which share a group in one of several numberings are in one."""
    pairs = [np.column_stack([_first_members(numbers)[numbers], np.arange(len(numbers))]) for numbers in groups]
    return groups_of_pairs(len(groups[0]), np.concatenate(pairs))


def groups_of_pairs(count: int, pairs: npt.NDArray[np.int64]) -> Groups:
    """Return the groups of so many examples that pairs of them, (pairs, 2), connect directly or by way of others.

    The number of a group is the position of its first example.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), (count, count))
    groups = connected_components(graph, directed=False)[1]
    return np.asarray(_first_members(groups)[groups])


def with_others(groups: Groups) -> npt.NDArray[np.bool_]:
    """Return which examples have others in their group."""
    return np.asarray(np.bincount(groups, minlength=1)[groups] > 1)


def assign_groups(labels: Labels, groups: Groups, wanted: npt.NDArray[np.float64], seed: int | Sequence[int]) -> Labels:
    """Return the set of each example, with whole groups in one set.

    The largest groups are assigned first, in random order if they are of equal size, each to the set that then lacks
    the largest share of the examples wanted of the group's classes: `wanted` is their number, (sets, classes).
    """
    # 1. Sort the examples by group, and draw the order of the groups.
    owners = np.empty(len(labels), np.int64)
    left = wanted.astype(np.float64)
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    drawn = np.random.default_rng(seed).permutation(len(sizes))

    # 2. Assign the groups of each size.
    for size in np.unique(sizes)[::-1]:
        members = order[starts[drawn[sizes[drawn] == size], np.newaxis] + np.arange(size)]  # (groups, examples)
        classes = labels[members]
        if (classes == classes[:, :1]).all():  # the order of groups of other classes makes no difference
            for label in np.unique(classes):
                rows = members[classes[:, 0] == label]
                # As if they were assigned one after another: sort the sets by what they would lack after each group.
                remaining = left[:, label, np.newaxis] - size * np.arange(1, len(rows) + 1)
                lacking = remaining / np.maximum(wanted[:, label, np.newaxis], 1e-9) * size
                chosen = np.argsort(-lacking, axis=None, kind="stable")[: len(rows)] // len(rows)
                left[:, label] -= size * np.bincount(chosen, minlength=len(left))
                owners[rows] = chosen[:, np.newaxis]
            continue
        for rows in members:
            present, counts = np.unique(labels[rows], return_counts=True)
            lacking = (left[:, present] - counts) / np.maximum(wanted[:, present], 1e-9)
            best = int(np.argmax(lacking @ counts))
            left[best, present] -= counts
            owners[rows] = best
    return owners


def fill_empty_sets(owners: Labels, labels: Labels, groups: Groups, wanted: npt.NDArray[np.float64]) -> Labels:
    """Return the sets of examples, such that a set without an example of a wanted class has one if possible.

    It gets the smallest group with that class whose own set keeps an example of each class without it.
    """
    filled = owners.copy()
    for at, label in np.argwhere(wanted > 0):
        if ((filled == at) & (labels == label)).any():
            continue
        spare = []
        for number in np.unique(groups[labels == label]):
            rows = groups == number
            others = labels[(filled == filled[rows][0]) & ~rows]
            if np.isin(labels[rows], others).all():
                spare.append(rows)
        if spare:
            filled[min(spare, key=np.count_nonzero)] = at
    return filled


def _first_members(groups: Groups) -> Groups:
    """Return the position of the first example of each group, by the group's number."""
    first = np.zeros(int(groups.max(initial=-1)) + 1, np.int64)
    first[groups[::-1]] = np.arange(len(groups))[::-1]
    return first


def examples_together(index: pd.DataFrame, content: "pd.Series[Any]", column: str | None) -> Groups:
    """Return the groups of examples that stay in one set: of equal content, or of equal value in a column.

    Raises:
        RequestError: the index has no such column.
        DataError: a value of the column is in several of the source's own parts.
    """
    contents = pd.factorize(content)[0]
    if column is None:
        return merge_groups(contents)
    if column not in index:
        metadata = [str(name) for name in index if name not in ("id", "label", "part")]
        raise RequestError(f"preprocess.group: {unknown_name('column', column, metadata)} Name it in the metadata.")
    groups = number_groups(index[column], index["part"].fillna("train"), column, "the source names")
    return merge_groups(contents, groups)


def number_groups(cells: "pd.Series[Any]", parts: "pd.Series[str]", column: str, named_by: str) -> Groups:
    """Return the number of the group of each example, by the cells of a column; an empty cell belongs to no group.

    Raises:
        DataError: a value is in several of the parts, which were given; the message says by what.
    """
    values = cells.replace("", None)
    sets = parts.groupby(values).nunique()
    divided = sets.index[sets > 1]
    if len(divided):
        raise DataError(
            f"preprocess.group: {count_of(len(divided), 'values')} of column {column!r}, such as "
            f"{short_repr(divided[0])}, found in several of the sets that {named_by}. Leave preprocess.group out, name "
            "one set for all examples of a value, or let the sets be drawn."
        )
    return np.where(values.isna(), len(values) + np.arange(len(values)), pd.factorize(values)[0])


def describe_copies(
    index: pd.DataFrame, content: "pd.Series[Any]", column: str | None, noun: str
) -> tuple[dict[str, Any], dict[str, int]]:
    """Return which examples are together or in two parts, for `summary.json`, and their counts for the artifact.

    The index has columns `id`, `label` and `part`; content and column are those of `examples_together`. `noun` names
    examples.
    """
    # 1. List copies in one part, and in two.
    rows = index[["id", "label", "part"]].assign(content=content)
    copies = rows[rows.duplicated(["part", "content"])]
    first = rows.drop_duplicates(["part", "content"]).set_index(["part", "content"])["id"]
    listed = copies[["id", "part", "content"]].head(_MAX_PAIRS_LISTED)
    pairs = [[id_, first[part, same]] for id_, part, same in listed.itertuples(index=False)]
    summary: dict[str, Any] = {
        "repeated": find_duplicates(index, content),
        "copies": {"count": len(copies), "pairs": pairs},
    }

    # 2. List copies with different labels.
    disputed = rows[rows.groupby("content")["label"].transform("nunique") > 1]
    if len(disputed):
        ids = disputed.groupby("content", sort=False)["id"].agg(list)
        summary["disputed"] = {"count": len(disputed), "ids": ids.head(_MAX_PAIRS_LISTED).tolist()}

    # 3. Count them.
    counts = {"duplicates kept in one set": len(copies), "copies with different labels": len(disputed)}
    for overlap in summary["repeated"]:
        counts[f"{overlap['part']}_{noun}_also_in_{overlap['also_in']}"] = overlap["count"]
    if column is not None:
        counts[f"groups by {column}"] = index[column].replace("", None).nunique()
    return summary, {name: count for name, count in counts.items() if count}


def find_duplicates(index: pd.DataFrame, content: "pd.Series[Any]") -> list[dict[str, Any]]:
    """Return which parts share examples: `part`, `also_in`, `count` of examples, `pairs` of ids in both.

    The index has columns `id` and `part`; the content of equal examples is equal. Examples without it are left out.
    """
    rows = index[["id", "part"]].assign(content=content).dropna(subset="content")
    duplicates = []
    for part, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
        examples, others = (rows[rows["part"] == name] for name in (part, other))
        first = others.drop_duplicates("content").set_index("content")["id"]
        shared = examples[examples["content"].isin(first.index)]
        if len(shared):
            listed = shared.head(_MAX_PAIRS_LISTED)
            pairs = [[id_, first[same]] for id_, same in zip(listed["id"], listed["content"], strict=True)]
            duplicates.append({"part": part, "also_in": other, "count": len(shared), "pairs": pairs})
    return duplicates

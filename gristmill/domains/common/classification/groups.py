"""Groups of examples that stay in one set or fold: copies of one example, or all examples of one person or scene."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gristmill.domains.common.classification.labelled import Labels

Groups = npt.NDArray[np.int64]  # (examples,): number of the group


def merge_groups(*groups: Groups) -> Groups:
    """Return groups such that examples which share one of the given groups are in one."""
    pairs = [np.column_stack([_first_members(given)[given], np.arange(len(given))]) for given in groups]
    return groups_of_pairs(len(groups[0]), np.concatenate(pairs))


def groups_of_pairs(count: int, pairs: npt.NDArray[np.int64]) -> Groups:
    """Return the groups of so many examples that pairs of them, (pairs, 2), connect directly or by way of others.

    The number of a group is the position of its first example.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), (count, count))
    groups = connected_components(graph, directed=False)[1]
    first: Groups = _first_members(groups)[groups]
    return first


def with_others(groups: Groups) -> npt.NDArray[np.bool_]:
    """Return which examples have others in their group."""
    several: npt.NDArray[np.bool_] = np.bincount(groups, minlength=1)[groups] > 1
    return several


def assign_groups(labels: Labels, groups: Groups, wanted: npt.NDArray[np.float64], seed: int | Sequence[int]) -> Labels:
    """Return the set of each example, with whole groups in one set.

    The largest groups are assigned first, in random order if they are of equal size, each to the set that then lacks
    the largest share of the examples wanted of the group's classes: `wanted` is their number, (sets, classes).
    """
    owners, left = np.empty(len(labels), np.int64), wanted.astype(np.float64)
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    shuffled = [members[at] for at in np.random.default_rng(seed).permutation(len(members))]
    for rows in sorted(shuffled, key=len, reverse=True):
        present, counts = np.unique(labels[rows], return_counts=True)
        lacking = (left[:, present] - counts) / np.maximum(wanted[:, present], 1e-9)
        chosen = int(np.argmax(lacking @ counts))
        left[chosen, present] -= counts
        owners[rows] = chosen
    return owners


def _first_members(groups: Groups) -> Groups:
    """Return the position of the first example of each group, by the group's number."""
    first = np.zeros(int(groups.max(initial=-1)) + 1, np.int64)
    first[groups[::-1]] = np.arange(len(groups))[::-1]
    return first

"""Groups are kept whole, and shared out by the classes of their examples."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gristmill.domains.common.classification.duplicates import (
    assign_groups,
    fill_empty_sets,
    groups_of_pairs,
    merge_groups,
    with_others,
)


def test_examples_that_share_any_group_are_together() -> None:
    merged = merge_groups(np.array([0, 1, 0, 2, 3]), np.array([5, 5, 6, 7, 8]))

    assert merged.tolist() == [0, 0, 0, 3, 4]
    assert with_others(merged).tolist() == [True, True, True, False, False]
    assert with_others(merged[:0]).tolist() == []


def test_pairs_connect_by_way_of_others() -> None:
    assert groups_of_pairs(5, np.array([[4, 2], [2, 1]])).tolist() == [0, 1, 1, 3, 1]
    assert groups_of_pairs(2, np.empty((0, 2), np.int64)).tolist() == [0, 1]


@given(sizes=st.lists(st.integers(1, 6), min_size=20, max_size=60), seed=st.integers(0, 3))
def test_groups_are_whole_and_sets_about_as_large_as_wanted(sizes: list[int], seed: int) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = groups % 2
    wanted = np.outer([0.7, 0.1, 0.2], np.bincount(labels, minlength=2))

    owners = assign_groups(labels, groups, wanted, seed)

    assert all(len(set(owners[groups == group])) == 1 for group in range(len(sizes)))
    for label in (0, 1):
        found = np.bincount(owners[labels == label], minlength=3)
        assert np.abs(found - wanted[:, label]).max() <= max(sizes)


@given(
    sizes=st.lists(st.integers(1, 3), max_size=40),
    classes=st.lists(st.integers(0, 2), min_size=120, max_size=120),
    are_pure=st.booleans(),
    seed=st.integers(0, 3),
)
def test_groups_of_one_class_are_assigned_at_once_as_one_after_another(
    sizes: list[int], classes: list[int], are_pure: bool, seed: int
) -> None:
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.array([classes[group if are_pure else at] for at, group in enumerate(groups)], np.int64)
    wanted = np.outer([0.7, 0.1, 0.2], np.bincount(labels, minlength=3))

    owners, left = np.empty(len(labels), np.int64), wanted.copy()
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    for group in sorted(drawn, key=lambda group: -sizes[group]):
        counts = np.bincount(labels[groups == group], minlength=3)
        lacking = (left - counts) / np.maximum(wanted, 1e-9)
        chosen = int(np.argmax(lacking[:, counts > 0] @ counts[counts > 0]))
        left[chosen] -= counts
        owners[groups == group] = chosen

    assert assign_groups(labels, groups, wanted, seed).tolist() == owners.tolist()


def test_groups_of_equal_size_are_assigned_at_random() -> None:
    groups = np.repeat(np.arange(40), 2)
    labels, wanted = np.zeros(80, np.int64), np.array([[40.0], [40.0]])

    one, again, other = (assign_groups(labels, groups, wanted, seed).tolist() for seed in (0, 0, 1))

    assert one == again != other
    assert sum(one) == 40


def test_an_empty_set_gets_the_smallest_group_that_another_can_spare() -> None:
    labels, groups = np.repeat([0, 1], [60, 30]), np.repeat([0, 1, 2, 3, 4], [15, 20, 25, 10, 20])
    wanted = np.array([[54, 27], [6, 3]])

    filled = fill_empty_sets(np.zeros(90, np.int64), labels, groups, wanted)

    assert np.unique(groups[filled == 1]).tolist() == [0, 3]


def test_no_set_loses_a_class_to_an_empty_one() -> None:
    labels, groups = np.repeat([1, 0, 0, 1], [5, 5, 20, 1]), np.repeat([0, 1, 2], [5, 5, 21])
    owners = np.repeat([0, 1, 0], [5, 5, 21])  # class 1 is in the first and the third group

    filled = fill_empty_sets(owners, labels, groups, np.array([[20, 5], [5, 1]]))

    assert [np.unique(labels[filled == number]).tolist() for number in (0, 1)] == [[0, 1], [0, 1]]

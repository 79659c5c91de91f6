"""Stretches hold every item once, in order, and about as much as is asked for."""

import math

import pytest

from gristmill.util.chunking import split_by_size


@pytest.mark.parametrize(
    ("sizes", "some", "expected"),
    [
        ([60, 12, 45, 60], 61, [(0, 2), (2, 4)]),
        ([500, 10, 10], 61, [(0, 1), (1, 3)]),
        ([1, 0, 0, 1, 1], 2, [(0, 4), (4, 5)]),
        ([60, 60], math.inf, [(0, 2)]),
        ([60], 1, [(0, 1)]),
    ],
)
def test_stretches_hold_all_items_in_their_order(
    sizes: list[float], some: float, expected: list[tuple[int, int]]
) -> None:
    assert [(stretch.start, stretch.stop) for stretch in split_by_size(sizes, some)] == expected

"""Samples are drawn at random, keep the order of examples, and have an example of each class."""

import numpy as np
import pytest

from gristmill.domains.common.sampling import sample_positions


@pytest.mark.parametrize(("count", "taken"), [(0, 0), (1, 1), (2_000, 2_000), (9_000, 2_000)])
def test_a_sample_is_in_order_and_has_its_size(count: int, taken: int) -> None:
    positions = sample_positions(count, 2_000)

    assert len(positions) == taken
    assert (np.diff(positions) > 0).all()
    assert set(positions) <= set(range(count))


def test_the_order_of_examples_and_rare_classes_are_no_obstacle() -> None:
    labels = np.arange(6_000) % 2
    labels[4_321] = 2

    taken = labels[sample_positions(6_000, 1_000, labels)]

    assert np.bincount(taken).tolist() in ([499, 500, 1], [500, 499, 1])
    assert 400 < (sample_positions(6_000, 1_000) % 2).sum() < 600


def test_a_sample_of_a_size_holds_as_many_examples_as_fit() -> None:
    labels, sizes = np.arange(400) % 2, np.random.default_rng(0).integers(50, 150, 400)

    most = int(sizes.sum()) - 1
    taken = sample_positions(400, most, labels, sizes)

    assert most - 150 < sizes[taken].sum() <= most
    assert abs(np.diff(np.bincount(labels[taken]))) <= 1
    assert sample_positions(400, most + 1, labels, sizes).tolist() == [*range(400)]
    assert len(sample_positions(400, 1, labels, sizes)) == 1

"""Batches from memory: which items, in which order, and what is drawn for each."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from gristmill.settings.base import Fit
from gristmill.training.feed import GatheredFeed
from helpers.feeds import batches_of, batches_within_a_graph

ITEMS = tf.constant(np.arange(100, 123))


def feed(change: Any = None, updates: int | None = None, **settings: Any) -> GatheredFeed:
    """Return a feed of 23 numbers in batches of 5."""
    how = Fit(**{"batch_size": 5, "epochs": 3, "seed": 1} | settings)
    return GatheredFeed(tf.range(23, dtype=tf.int64), lambda at: (tf.gather(ITEMS, at),), how, change, updates)


def epoch(of: GatheredFeed, number: int = 0) -> list[list[int]]:
    return [batch[0].tolist() for batch in batches_of(of, number)]


def flat(batches: list[list[int]]) -> list[int]:
    return [item for batch in batches for item in batch]


def test_every_item_comes_once_an_epoch_the_last_batch_smaller() -> None:
    batches = epoch(feed())

    assert [len(batch) for batch in batches] == [5, 5, 5, 5, 3]
    assert sorted(flat(batches)) == list(range(100, 123))
    assert feed().updates == 5
    assert feed().elements == 1


@pytest.mark.slow
def test_a_long_epoch_comes_in_parts_that_an_interrupt_may_come_between(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [epoch(feed(), number) for number in range(2)]

    for per_call, parts in [(2, 3), (5, 1)]:
        monkeypatch.setattr("gristmill.training.feed.UPDATES_PER_CALL", per_call)
        assert feed().elements == parts
        assert [epoch(feed(), number) for number in range(2)] == whole
        assert batches_within_a_graph(feed(), 1).tolist() == flat(whole[1])
        assert len(list(feed().stream(1))) == 2 * parts


def test_a_shorter_epoch_takes_full_batches_of_other_items_each_time() -> None:
    short = feed(updates=2)

    first, second = epoch(short, 0), epoch(short, 1)

    assert short.updates == 2
    assert [len(batch) for batch in first] == [5, 5]
    assert set(flat(first)) != set(flat(second))
    assert epoch(feed(updates=9)) == epoch(feed())  # no more than there are


def test_batches_are_those_of_the_first_epoch() -> None:
    found = [batch[0].tolist() for batch in feed().batches().as_numpy_iterator()]
    assert found == epoch(feed())


def test_each_batch_is_changed_by_a_seed_of_its_own() -> None:
    def seeds(number: int, **settings: Any) -> list[list[int]]:
        return epoch(feed(lambda batch, seed: (seed,), **settings), number)

    assert seeds(0) == [[1, 0], [1, 1], [1, 2], [1, 3], [1, 4]]
    assert seeds(2) == [[1, 10], [1, 11], [1, 12], [1, 13], [1, 14]]
    assert seeds(0, seed=7)[0] == [7, 0]


def test_within_a_graph_the_batches_are_the_same() -> None:
    assert batches_within_a_graph(feed(), 1).tolist() == flat(epoch(feed(), 1))

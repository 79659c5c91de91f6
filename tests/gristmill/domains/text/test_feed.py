"""Batches of texts: which, in which order, and how wide."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.text import train as module
from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.settings import Train
from gristmill.domains.text.tokens import Sequences
from gristmill.domains.text.train import BucketedFeed, feed_of, gather_padded, validation_of
from helpers.feeds import batches_of, batches_within_a_graph
from helpers.small_tokens import LENGTH, padded, telling, write_tokens

SEQUENCES = Sequences(np.array([5, 6, 7, 8, 9, 4], np.int32), np.array([0, 3, 3, 5, 6]))  # 567, none, 89, 4

LENGTHS = np.random.default_rng(0).integers(1, 60, 203)
"""Of texts that stand for themselves in the feeds below: a batch holds their positions."""


def bucketed(**settings: Any) -> BucketedFeed:
    how = Train(**{"batch_size": 4, "epochs": 3, "seed": 1} | settings)
    return BucketedFeed(tf.range(len(LENGTHS), dtype=tf.int64), lambda at: (at,), how, LENGTHS)


def epoch(of: Any, number: int = 0) -> list[list[int]]:
    return [batch[0].tolist() for batch in batches_of(of, number)]


def flat(batches: list[list[int]]) -> list[int]:
    return [text for batch in batches for text in batch]


def padding(batches: list[list[int]]) -> float:
    """Return the share of a batch's steps that is padding."""
    steps = sum(len(batch) * LENGTHS[batch].max() for batch in batches)
    return float(1 - LENGTHS[flat(batches)].sum() / steps)


@pytest.fixture
def data(tmp_path: Path) -> Prepared:
    """Return 30 texts to train on and 9 to validate on."""
    return write_tokens(tmp_path, {"train": telling(30), "validation": telling(9, seed=1)}, ["a", "b"], pad="pre")


@pytest.mark.parametrize(
    ("pad", "width", "expected"),
    [
        ("post", None, [[8, 9, 0], [5, 6, 7], [0, 0, 0], [4, 0, 0]]),
        ("pre", None, [[0, 8, 9], [5, 6, 7], [0, 0, 0], [0, 0, 4]]),
        ("post", 4, [[8, 9, 0, 0], [5, 6, 7, 0], [0, 0, 0, 0], [4, 0, 0, 0]]),
        ("pre", 4, [[0, 0, 8, 9], [0, 5, 6, 7], [0, 0, 0, 0], [0, 0, 0, 4]]),
    ],
)
def test_texts_are_filled_up_on_the_side_of_the_layout(pad: str, width: int | None, expected: list[list[int]]) -> None:
    made = gather_padded(SEQUENCES, pad, width)(tf.constant([2, 0, 1, 3], tf.int64))

    assert made.numpy().tolist() == expected
    assert made.dtype == tf.int32


@pytest.mark.parametrize("pad", ["pre", "post"])
def test_a_batch_of_texts_without_tokens_is_one_step_wide(pad: str) -> None:
    assert gather_padded(SEQUENCES, pad, None)(tf.constant([1], tf.int64)).numpy().tolist() == [[0]]


@pytest.mark.parametrize("pad", ["pre", "post"])
def test_texts_are_filled_up_as_those_that_are_judged(pad: str) -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(0, 9, 40)
    sequences = Sequences(random.integers(1, 99, lengths.sum(), np.int32), np.append(0, np.cumsum(lengths)))

    made = gather_padded(sequences, pad, 8)(tf.range(40, dtype=tf.int64))

    assert made.numpy().tolist() == padded(sequences, 8, pad)


def test_every_text_comes_once_an_epoch_the_last_batch_smaller() -> None:
    batches = epoch(bucketed())

    assert [len(batch) for batch in batches] == [4] * 50 + [3]
    assert sorted(flat(batches)) == list(range(203))
    assert bucketed().updates == 51


def test_texts_of_a_batch_are_of_like_length_and_their_batches_in_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POOL_BATCHES", 25)
    batches = epoch(bucketed())[:50]

    longest = [LENGTHS[batch].max() for batch in batches]

    assert padding(batches) < 0.05
    assert padding([list(at) for at in np.random.default_rng(0).permutation(200).reshape(50, 4)]) > 0.3
    assert abs(np.corrcoef(longest, np.arange(50))[0, 1]) < 0.3


def test_a_pool_is_a_part_of_the_epoch_sorted_by_length_ties_as_they_were_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_POOL_BATCHES", 10)
    feed, orders = bucketed(), list[Any]()
    real = module.shuffled
    monkeypatch.setattr(
        module, "shuffled", lambda batches, *rest: orders.append(batches.numpy()) or real(batches, *rest)
    )

    feed.batches()

    drawn = real(tf.range(203, dtype=tf.int64), 1, tf.constant(0)).numpy()
    pools = orders[0].reshape(5, 40)
    for number, pool in enumerate(pools):
        by_hand = sorted(drawn[40 * number : 40 * number + 40], key=lambda text: LENGTHS[text])
        assert pool.tolist() == by_hand


def test_an_epochs_order_depends_on_seed_and_epoch_alone() -> None:
    first, second = epoch(bucketed(), 0), epoch(bucketed(), 1)

    assert epoch(bucketed(), 0) == first
    assert second != first
    assert epoch(bucketed(seed=2), 0) != first
    assert sorted(map(sorted, second)) != sorted(map(sorted, first))  # nor are the batches the same


def test_within_a_graph_the_batches_are_the_same() -> None:
    assert batches_within_a_graph(bucketed(), 1).tolist() == flat(epoch(bucketed(), 1))


def test_a_shorter_epoch_takes_full_batches() -> None:
    feed = bucketed(steps_per_epoch=3)

    assert [len(batch) for batch in epoch(feed)] == [4, 4, 4]
    assert feed.updates == 3


def test_fewer_texts_than_a_batch_come_as_they_were_drawn() -> None:
    assert [len(batch) for batch in epoch(bucketed(batch_size=300))] == [203]


@pytest.mark.parametrize(
    ("batches", "width", "widths"),
    [("bucketed", None, range(1, LENGTH + 1)), ("padded", None, [LENGTH]), ("bucketed", LENGTH, [LENGTH])],
)
def test_batches_are_as_wide_as_they_must_be(batches: Any, width: int | None, widths: Any, data: Prepared) -> None:
    how = Train(batch_size=4, batches=batches, seed=1)

    seen = batches_of(feed_of(data, Targets(data, how), how, width))

    assert sum(len(tokens) for tokens, _ in seen) == 30
    assert {tokens.shape[1] for tokens, _ in seen} <= set(widths)
    if batches == "bucketed" and width is None:
        assert all((tokens[:, 0] != 0).any() for tokens, _ in seen)  # no wider than the longest
    for tokens, truth in seen:  # each with its own label
        told = (tokens == 3).any(axis=1)
        assert truth[:, 0].tolist() == told.tolist()


@pytest.mark.parametrize("width", [None, LENGTH])
def test_validation_texts_come_once_the_shortest_first(width: int | None, data: Prepared) -> None:
    how = Train()
    validation: Any = validation_of(data, Targets(data, how), width)

    ((tokens, truth),) = validation.as_numpy_iterator()

    lengths = (tokens != 0).sum(axis=1)
    assert lengths.tolist() == sorted(data.sequences("validation").lengths.tolist())
    assert tokens.shape[1] == (width or lengths.max())
    assert truth[:, 0].tolist() == (tokens == 3).any(axis=1).tolist()


def test_without_a_validation_part_there_are_no_batches_of_it(tmp_path: Path) -> None:
    data = write_tokens(tmp_path, {"train": telling(6)}, ["a", "b"])

    assert validation_of(data, Targets(data, Train()), None) is None

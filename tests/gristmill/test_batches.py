"""Batches gathered in blocks are those that were gathered one by one."""

import numpy as np
import pytest
import tensorflow as tf

from gristmill.batches import epoch_batches

ITEMS = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)


def gather(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
    return tf.gather(ITEMS, index), index * 2


def shuffled(count: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(1).permutation(500)[:count], tf.int64)


def one_by_one(order: tf.Tensor, size: int) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(order).batch(size).map(gather)


@pytest.mark.parametrize(
    ("count", "size"),
    [(500, 1), (500, 5), (499, 7), (64 * 7, 7), (65 * 7 + 1, 7), (3, 7), (7, 7), (0, 7)],
    ids=lambda value: str(value),
)
def test_they_are_the_batches_gathered_one_by_one(count: int, size: int) -> None:
    order = shuffled(count)
    found = list(epoch_batches(order, size, gather, bytes_per_item=20).as_numpy_iterator())
    expected = list(one_by_one(order, size).as_numpy_iterator())
    assert len(found) == len(expected) == -(-count // size)
    for batch, same in zip(found, expected, strict=True):
        for values, wanted in zip(batch, same, strict=True):
            np.testing.assert_array_equal(values, wanted)


def test_an_epoch_can_be_built_from_the_number_of_an_epoch() -> None:
    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        return epoch_batches(tf.range(10, dtype=tf.int64) + 10 * number, 4, gather, bytes_per_item=20)

    found = [list(index) for _, index in tf.data.Dataset.range(2).flat_map(epoch).as_numpy_iterator()]
    assert found == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18], [20, 22, 24, 26], [28, 30, 32, 34], [36, 38]]


@pytest.mark.parametrize(("bytes_per_item", "rows"), [(1, 64), (64 * 2**20 // 20, 10), (2**30, 1)])
def test_a_block_stays_small(bytes_per_item: int, rows: int) -> None:
    seen: set[int] = set()

    def noting(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        tf.py_function(lambda count: seen.add(int(count)), [tf.shape(index)[0]], [])
        return (index,)

    list(epoch_batches(shuffled(500), 2, noting, bytes_per_item))
    assert max(seen) == rows

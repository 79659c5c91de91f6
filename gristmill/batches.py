"""Batches gathered from data in memory, many at a time, so that reading does not hold up training."""

from collections.abc import Callable

import tensorflow as tf

Gather = Callable[[tf.Tensor], tuple[tf.Tensor, ...]]

_BLOCK_BATCHES = 64  # gathered by one op: what an op costs is then spread thin, and more gain nothing
_BLOCK_BYTES = 64 * 2**20


def epoch_batches(order: tf.Tensor, batch_size: int, gather: Gather, bytes_per_item: int) -> tf.data.Dataset:
    """Return the batches of one epoch: the items in this order, the last batch smaller where they do not divide.

    The same as `Dataset.from_tensor_slices(order).batch(batch_size).map(gather)`, only faster.

    Args:
        order: positions of the items, (items,), of a length known when the graph is built.
        batch_size: items in a batch.
        gather: gives the tensors of the items at some positions, (batches, items) to (batches, items, …) each.
        bytes_per_item: size of what `gather` gives for one item; it bounds the block held in memory.
    """
    whole = order.shape[0] // batch_size
    rows = max(1, min(_BLOCK_BATCHES, _BLOCK_BYTES // (batch_size * bytes_per_item)))
    batches = tf.data.Dataset.from_tensor_slices(tf.reshape(order[: whole * batch_size], (whole, batch_size)))
    epoch = batches.batch(rows).map(gather).unbatch()
    rest = order[whole * batch_size :]  # (fewer than a batch,)
    if rest.shape[0] == 0:
        return epoch
    return epoch.concatenate(tf.data.Dataset.from_tensors(rest[tf.newaxis]).map(gather).unbatch())

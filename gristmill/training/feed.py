"""Training batches gathered from memory by position, within TensorFlow's graph and next to the updates.

An iterator of `tf.data` that passes the batches one by one makes an epoch of a small network 25% longer
(`benchmarks/windows.py`).
"""

from collections.abc import Callable

import tensorflow as tf

from gristmill.settings.base import Fit
from gristmill.training.fit import Batch, Update
from gristmill.training.seeds import shuffled

Gather = Callable[[tf.Tensor], Batch]
Change = Callable[[Batch, tf.Tensor], Batch]  # batch and its seed (two numbers, unique to the batch) to changed batch

UPDATES_PER_CALL = 100  # limit per TensorFlow call, because Ctrl-C and SIGTERM cannot interrupt a call


class GatheredFeed:
    """Feed that shuffles its items in every epoch, by seed and epoch; an element holds up to 100 batches."""

    def __init__(
        self,
        positions: tf.Tensor,
        gather: Gather,
        settings: Fit,
        change: Change | None = None,
        updates: int | None = None,
    ) -> None:
        """Create a feed of the items at some positions, int64 (items,) of a known length.

        `gather` returns the batch of the items at positions (batch,), and `change` changes it at random, such as by
        augmentation. An epoch has `updates` with a full batch each; without it, an epoch is all items once.
        """
        self._positions = positions
        self._gather = gather
        self._change = change or (lambda batch, seed: batch)
        self._settings = settings
        self._items = min(positions.shape[0], (updates or positions.shape[0]) * settings.batch_size)
        self.updates = -(-self._items // settings.batch_size)
        self.elements = -(-self.updates // UPDATES_PER_CALL)

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return the elements of all epochs from `first_epoch` (from 0) on: (number of the first batch, items)."""
        size = UPDATES_PER_CALL * self._settings.batch_size

        def parts(epoch: tf.Tensor) -> tf.data.Dataset:
            order = self._order(epoch)
            return tf.data.Dataset.range(self.elements).map(
                lambda part: (epoch * self.updates + part * UPDATES_PER_CALL, order[part * size : (part + 1) * size])
            )

        return tf.data.Dataset.range(first_epoch, self._settings.epochs).flat_map(parts)

    def for_each_batch(self, element: tuple[tf.Tensor, tf.Tensor], update: Update) -> None:
        """Update with every batch of an element; the last batch of an epoch may be smaller."""
        first, order = element
        size, smaller = self._settings.batch_size, self._items % self._settings.batch_size
        full = tf.size(order, tf.int64) // size
        rows = tf.reshape(order[: full * size], (-1, size))

        def next_update(row: tf.Tensor) -> tuple[tf.Tensor]:
            update(self._batch(rows[row], first + row))
            return (row + 1,)

        def last_update() -> tf.Tensor:
            update(self._batch(tf.reshape(order[full * size :], (smaller,)), first + full))
            return full

        # Full and smaller batches are separate, because static shapes are 25% faster.
        if self._items >= size:
            tf.while_loop(lambda row: row < full, next_update, (tf.constant(0, tf.int64),))
        if smaller:
            tf.cond(full * size < tf.size(order, tf.int64), last_update, lambda: full)

    def batches(self) -> tf.data.Dataset:
        """Return the batches of the first epoch."""
        order = tf.data.Dataset.from_tensor_slices(self._order(tf.constant(0, tf.int64)))
        rows = order.batch(self._settings.batch_size).enumerate()
        return rows.map(lambda row, positions: self._batch(positions, row))

    def _batch(self, positions: tf.Tensor, number: tf.Tensor) -> Batch:
        seed = tf.stack([tf.constant(self._settings.seed, tf.int64), number])
        return self._change(self._gather(positions), seed)

    def _order(self, epoch: tf.Tensor) -> tf.Tensor:
        return shuffled(self._positions, self._settings.seed, epoch)[: self._items]

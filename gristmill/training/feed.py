"""What training is fed from memory: batches gathered by position, within TensorFlow's graph beside their updates.

Handed over one by one by an iterator of `tf.data`, they made the epoch of a small network a quarter longer
(`benchmarks/windows.py`).
"""

from collections.abc import Callable

import tensorflow as tf

from gristmill.settings.base import Fit
from gristmill.training.fit import Batch, Update
from gristmill.training.seeds import shuffled

Gather = Callable[[tf.Tensor], Batch]
Change = Callable[[Batch, tf.Tensor], Batch]  # of a batch, by a seed of two numbers that no other batch has

UPDATES_PER_CALL = 100  # updates in a call into TensorFlow, which neither Ctrl-C nor SIGTERM can interrupt


class GatheredFeed:
    """Items in an order that is drawn anew for each epoch, from seed and epoch alone; an element is a part of it."""

    def __init__(
        self,
        positions: tf.Tensor,
        gather: Gather,
        settings: Fit,
        change: Change | None = None,
        updates: int | None = None,
    ) -> None:
        """Feed the items at some positions.

        Args:
            positions: int64 (items,), of a length that is known.
            gather: gives the batch of the items at some positions, (batch,) to (batch, …) each.
            settings: epochs, batch_size, seed.
            change: what is done to each batch before it is learned from, drawn anew in every epoch.
            updates: in an epoch, each with a full batch; all items once if not set.
        """
        self._positions = positions
        self._gather = gather
        self._change = change or (lambda batch, seed: batch)
        self._settings = settings
        self._items = min(positions.shape[0], (updates or positions.shape[0]) * settings.batch_size)
        self.updates = -(-self._items // settings.batch_size)
        self.elements = -(-self.updates // UPDATES_PER_CALL)

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return the parts of all epochs from `first_epoch` (counted from 0) on: (number of its first batch, items)."""
        size = UPDATES_PER_CALL * self._settings.batch_size

        def parts(epoch: tf.Tensor) -> tf.data.Dataset:
            order = self._order(epoch)
            return tf.data.Dataset.range(self.elements).map(
                lambda part: (epoch * self.updates + part * UPDATES_PER_CALL, order[part * size : (part + 1) * size])
            )

        return tf.data.Dataset.range(first_epoch, self._settings.epochs).flat_map(parts)

    def each(self, element: tuple[tf.Tensor, tf.Tensor], update: Update) -> None:
        """Update with the batches of a part, the last one of an epoch smaller where they do not divide."""
        first, order = element
        size, smaller = self._settings.batch_size, self._items % self._settings.batch_size
        whole = tf.size(order, tf.int64) // size
        rows = tf.reshape(order[: whole * size], (-1, size))

        def next_update(row: tf.Tensor) -> tuple[tf.Tensor]:
            update(self._batch(rows[row], first + row))
            return (row + 1,)

        def last_update() -> tf.Tensor:
            update(self._batch(tf.reshape(order[whole * size :], (smaller,)), first + whole))
            return whole

        # Batches of whole and of smaller size apart, for shapes that are known are a quarter faster.
        tf.while_loop(lambda row: row < whole, next_update, (tf.constant(0, tf.int64),))
        if smaller:
            tf.cond(whole * size < tf.size(order, tf.int64), last_update, lambda: whole)

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

"""What training is fed from memory: batches gathered by position, within TensorFlow's graph beside their updates.

Handed over one by one by an iterator of `tf.data`, they made the epoch of a small network a quarter longer
(`benchmarks/windows.py`).
"""

from collections.abc import Callable

import tensorflow as tf

from gristmill.fit import Batch, Update
from gristmill.seeds import shuffled
from gristmill.settings import Fit

Gather = Callable[[tf.Tensor], Batch]
Change = Callable[[Batch, tf.Tensor], Batch]  # of a batch, by a seed of two numbers that no other batch has


class GatheredFeed:
    """Items in an order that is drawn anew for each epoch, from seed and epoch alone; an element is an epoch."""

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
        self.elements = 1
        self._items = min(positions.shape[0], (updates or positions.shape[0]) * settings.batch_size)
        self.updates = -(-self._items // settings.batch_size)

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return the numbers of all epochs from `first_epoch` (counted from 0) on."""
        return tf.data.Dataset.range(first_epoch, self._settings.epochs)

    def each(self, element: tf.Tensor, update: Update) -> None:
        """Update with the batches of an epoch, the last one smaller where they do not divide."""
        size = self._settings.batch_size
        order = self._order(element)
        whole = order.shape[0] // size
        rows, rest = tf.reshape(order[: whole * size], (whole, size)), order[whole * size :]

        def next_update(row: tf.Tensor) -> tuple[tf.Tensor]:
            update(self._batch(rows[row], element * self.updates + row))
            return (row + 1,)

        if whole:
            tf.while_loop(lambda row: row < whole, next_update, (tf.constant(0, tf.int64),))
        if rest.shape[0]:  # apart, for shapes that are known are a quarter faster
            update(self._batch(rest, element * self.updates + whole))

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

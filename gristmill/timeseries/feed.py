"""What training is fed: batches of standardised windows, gathered by index, so that windows take no memory.

They are gathered within TensorFlow's graph, beside the updates they are for: handed over one by one by an iterator of
`tf.data`, they made the epoch of a small network a quarter longer (`benchmarks/windows.py`).
"""

from typing import Any

import tensorflow as tf

from gristmill.fit import Batch, Update, shuffled
from gristmill.timeseries.prepared import Layout, Prepared
from gristmill.timeseries.settings import Train
from gristmill.timeseries.windows import history_index, sequence_index, target_index

_CACHED_BYTES = 256 << 20  # validation windows are kept between epochs where they take less


def scaled(values: Any, layout: Layout, targets_only: bool = False) -> Any:
    """Return values (…, columns) in deviations from the training part's means."""
    count = len(layout.targets) if targets_only else len(layout.mean)
    return ((values - layout.mean[:count]) / layout.deviation[:count]).astype("float32")


class WindowFeed:
    """Batches of (window, target): (batch, history, columns) and (batch, horizon, targets); an element is an epoch.

    Where the network learns sequences, targets are (batch, history, horizon, targets).
    """

    def __init__(self, data: Prepared, settings: Train) -> None:
        self._data = data
        self._settings = settings
        self._values = tf.constant(scaled(data.values, data.layout), tf.float32)
        self._origins = tf.constant(data.origins("train"), tf.int64)
        self.elements = 1
        self.updates = -(-len(self._origins) // settings.batch_size)

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return the numbers of all epochs from `first_epoch` (counted from 0) on."""
        return tf.data.Dataset.range(first_epoch, self._settings.epochs)

    def each(self, element: tf.Tensor, update: Update) -> None:
        """Update with the batches of an epoch, the last one smaller where they do not divide."""
        size = self._settings.batch_size
        order = shuffled(self._origins, self._settings.seed, element)
        whole = order.shape[0] // size
        rows, rest = tf.reshape(order[: whole * size], (whole, size)), order[whole * size :]

        def next_update(row: tf.Tensor) -> tuple[tf.Tensor]:
            update(self._gather(rows[row]))
            return (row + 1,)

        if whole:
            tf.while_loop(lambda row: row < whole, next_update, (tf.constant(0),))
        if rest.shape[0]:  # apart, for shapes that are known are a quarter faster
            update(self._gather(rest))

    def batches(self) -> tf.data.Dataset:
        """Return the batches of the first epoch."""
        order = shuffled(self._origins, self._settings.seed, tf.constant(0, tf.int64))
        return tf.data.Dataset.from_tensor_slices(order).batch(self._settings.batch_size).map(self._gather)

    def validation(self) -> tf.data.Dataset | None:
        """Return the validation windows in large batches, or None where there are none."""
        origins = self._data.origins("validation")
        if not len(origins):
            return None
        batches = tf.data.Dataset.from_tensor_slices(origins).batch(1024).map(self._gather)
        small = len(origins) * self._bytes_per_window() < _CACHED_BYTES
        return batches.cache() if small else batches

    def _gather(self, origins: tf.Tensor) -> Batch:
        """Return windows and their targets by their origins (…,)."""
        layout = self._data.layout
        if self._settings.targets == "sequence":
            ahead = sequence_index(origins, layout.history, layout.horizon)
        else:
            ahead = target_index(origins, layout.horizon)
        targets = tf.gather(self._values[:, : len(layout.targets)], ahead)
        return tf.gather(self._values, history_index(origins, layout.history)), targets

    def _bytes_per_window(self) -> int:
        layout = self._data.layout
        steps = layout.history * layout.horizon if self._settings.targets == "sequence" else layout.horizon
        return 4 * (layout.history * len(layout.mean) + steps * len(layout.targets))

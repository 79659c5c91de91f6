"""What training is fed: batches of standardised windows, gathered by index, so that windows take no memory."""

from typing import Any

import tensorflow as tf

from gristmill.batches import epoch_batches
from gristmill.fit import shuffled
from gristmill.timeseries.prepared import Layout, Prepared
from gristmill.timeseries.settings import Train
from gristmill.timeseries.windows import history_index, sequence_index, target_index

_CACHED_BYTES = 256 << 20  # validation windows are kept between epochs where they take less


def scaled(values: Any, layout: Layout, targets_only: bool = False) -> Any:
    """Return values (…, columns) in deviations from the training part's means."""
    count = len(layout.targets) if targets_only else len(layout.mean)
    return ((values - layout.mean[:count]) / layout.deviation[:count]).astype("float32")


class WindowBatches:
    """Batches of (window, target): (batch, history, columns) and (batch, horizon, targets).

    Where the network learns sequences, targets are (batch, history, horizon, targets).
    """

    def __init__(self, data: Prepared, settings: Train) -> None:
        self._data = data
        self._settings = settings
        self._values = tf.constant(scaled(data.values, data.layout), tf.float32)
        self._origins = tf.constant(data.origins("train"), tf.int64)
        self.steps = -(-len(self._origins) // settings.batch_size)

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return the batches of all epochs from `first_epoch` (counted from 0) on, each epoch in its own order."""
        epochs = tf.data.Dataset.range(first_epoch, self._settings.epochs)
        return epochs.flat_map(self._epoch).prefetch(tf.data.AUTOTUNE)

    def validation(self) -> tf.data.Dataset | None:
        """Return the validation windows in large batches, or None where there are none."""
        origins = self._data.origins("validation")
        if not len(origins):
            return None
        batches = tf.data.Dataset.from_tensor_slices(origins).batch(1024).map(self._gather)
        small = len(origins) * self._bytes_per_window() < _CACHED_BYTES
        return batches.cache() if small else batches

    def _epoch(self, epoch: tf.Tensor) -> tf.data.Dataset:
        order = shuffled(self._origins, self._settings.seed, epoch)
        return epoch_batches(order, self._settings.batch_size, self._gather, self._bytes_per_window())

    def _gather(self, origins: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
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

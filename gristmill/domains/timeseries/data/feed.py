"""Feed of training: batches of standardised windows, gathered by index so that windows take no memory."""

from typing import Any

import tensorflow as tf

from gristmill.domains.timeseries.data.dataset import Layout, Prepared
from gristmill.domains.timeseries.data.windows import history_index, sequence_index, target_index
from gristmill.domains.timeseries.settings import Train
from gristmill.training.feed import GatheredFeed
from gristmill.training.fit import Batch

_MAX_CACHED_BYTES = 256 << 20  # larger validation sets are gathered again in every epoch


def scaled(values: Any, layout: Layout, targets_only: bool = False) -> Any:
    """Return standardised values, (…, columns)."""
    count = len(layout.targets) if targets_only else len(layout.mean)
    return ((values - layout.mean[:count]) / layout.deviation[:count]).astype("float32")


class WindowFeed(GatheredFeed):
    """Batches of windows, (batch, history, columns), and targets, (batch, horizon, targets).

    With `targets = "sequence"` targets are (batch, history, horizon, targets).
    """

    def __init__(self, data: Prepared, settings: Train) -> None:
        self._data = data
        self._targets = settings.targets
        self._values = tf.constant(scaled(data.values, data.layout), tf.float32)
        super().__init__(tf.constant(data.complete_origins("train"), tf.int64), self._windows, settings)

    def validation(self) -> tf.data.Dataset | None:
        """Return the validation windows in large batches, or None if there are none."""
        origins = self._data.complete_origins("validation")
        if not len(origins):
            return None
        batches = tf.data.Dataset.from_tensor_slices(origins).batch(1024).map(self._windows)
        layout = self._data.layout
        steps = layout.history * layout.horizon if self._targets == "sequence" else layout.horizon
        size = 4 * len(origins) * (layout.history * len(layout.mean) + steps * len(layout.targets))
        return batches.cache() if size < _MAX_CACHED_BYTES else batches

    def _windows(self, origins: tf.Tensor) -> Batch:
        """Return the windows and targets of origins (…,)."""
        layout = self._data.layout
        if self._targets == "sequence":
            ahead = sequence_index(origins, layout.history, layout.horizon)
        else:
            ahead = target_index(origins, layout.horizon)
        targets = tf.gather(self._values[:, : len(layout.targets)], ahead)
        return tf.gather(self._values, history_index(origins, layout.history)), targets

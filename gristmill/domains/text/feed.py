"""Training batches of texts, held in memory; texts of similar length share a batch.

A batch is as long as its longest text, so a recurrent network spends few steps on padding.
`benchmarks/texts_training.py` measures the effect.
"""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.sequences import Sequences
from gristmill.domains.text.settings import Train
from gristmill.training.feed import Gather, GatheredFeed
from gristmill.training.fit import Batch, Feed
from gristmill.training.seeds import shuffled

_POOL_BATCHES = 50  # batches sorted by length together: more mean less padding, but a less random order
_VALIDATION_BATCH = 256


def feed_of(data: Prepared, truth: Targets, settings: Train, width: int | None) -> Feed:
    """Return the feed of the training set; `width` is the number of tokens that the network takes, None for any."""
    fixed = data.layout.length if settings.batches == "padded" else width
    gather = gather_of(data, truth, "train", fixed)
    lengths = data.sequences("train").lengths
    positions = tf.range(len(lengths), dtype=tf.int64)
    if fixed is not None:
        return GatheredFeed(positions, gather, settings, updates=settings.steps_per_epoch)
    return BucketedFeed(positions, gather, settings, lengths)


def validation_of(data: Prepared, truth: Targets, width: int | None) -> tf.data.Dataset | None:
    """Return batches of the validation set, the shortest texts first; None if it is empty."""
    lengths = data.sequences("validation").lengths
    if not len(lengths):
        return None
    order = tf.data.Dataset.from_tensor_slices(np.argsort(lengths, kind="stable"))
    return order.batch(_VALIDATION_BATCH).map(gather_of(data, truth, "validation", width))


def gather_of(data: Prepared, truth: Targets, part: str, width: int | None) -> Gather:
    """Return a function from positions of a part to a batch of texts and targets."""
    sequences, labels = data.sequences(part), tf.constant(data.labels(part))
    texts = TokenBatches(sequences, data.layout.pad)

    def gather(positions: tf.Tensor) -> Batch:
        return truth.batch(texts.batch(positions, width), tf.gather(labels, positions))

    return gather


class TokenBatches:
    """Sequences in TensorFlow's memory, gathered into batches inside a graph."""

    def __init__(self, sequences: Sequences, pad: str) -> None:
        self._values = tf.constant(np.append(sequences.values, np.int32(0)))  # the last value is padding
        self._starts = tf.constant(sequences.starts, tf.int64)
        self._before = pad == "pre"

    def batch(self, positions: tf.Tensor, width: int | None = None) -> tf.Tensor:
        """Return the texts at positions, int64 (batch,), padded with 0: int32 (batch, width).

        Without a width the batch is as wide as its longest text, at least one token.
        """
        starts, ends = tf.gather(self._starts, positions), tf.gather(self._starts, positions + 1)
        lengths = ends - starts
        wide = tf.maximum(tf.reduce_max(lengths), 1) if width is None else tf.constant(width, tf.int64)
        steps = tf.range(wide)[tf.newaxis]  # (1, wide)
        index = (ends - wide if self._before else starts)[:, tf.newaxis] + steps  # (batch, wide)
        inside = steps >= (wide - lengths)[:, tf.newaxis] if self._before else steps < lengths[:, tf.newaxis]
        padding = tf.size(self._values, tf.int64) - 1
        tokens = tf.gather(self._values, tf.where(inside, index, padding))
        return tf.ensure_shape(tokens, (positions.shape[0], width))


class BucketedFeed(GatheredFeed):
    """Batches of texts of similar length, in an order that depends only on seed and epoch.

    The texts are shuffled and split into pools of some dozens of batches. Each pool is sorted by length and split into
    batches, and the batches of all pools are shuffled. Texts left over from the batches come last, in shuffled order.
    """

    def __init__(self, positions: tf.Tensor, gather: Gather, settings: Train, lengths: npt.NDArray[np.int64]) -> None:
        """Create the feed of the texts at `positions`, int64 (texts,), with the lengths of all texts by position."""
        super().__init__(positions, gather, settings, updates=settings.steps_per_epoch)
        self._lengths = tf.constant(lengths)

    def _order(self, epoch: tf.Tensor) -> tf.Tensor:
        drawn = super()._order(epoch)
        size = self._settings.batch_size
        whole = drawn.shape[0] // size * size
        if not whole:
            return drawn
        texts = drawn[:whole]
        pools = tf.range(whole, dtype=tf.int64) // (size * _POOL_BATCHES)
        keys = pools * (tf.reduce_max(self._lengths) + 1) + tf.gather(self._lengths, texts)
        sorted_texts = tf.gather(texts, tf.argsort(keys, stable=True))
        batches = tf.reshape(sorted_texts, (whole // size, size))
        batches = shuffled(batches, self._settings.seed, -1 - epoch)  # a seed that no order of texts uses
        return tf.concat([tf.reshape(batches, (whole,)), drawn[whole:]], axis=0)

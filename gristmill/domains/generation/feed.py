"""What a network that tells the next token is trained on: windows of the stream, or all beginnings of each line.

Both are gathered from the tokens by position, beside the updates, so that they take no memory of their own. What is to
be told is a token's number ("sparse"). The course makes a row of it, a number a token of the vocabulary with one of
them 1: for a vocabulary of 10,000 that is 40,000 bytes an example in place of 4, for the same loss.
"""

import numpy as np
import tensorflow as tf

from gristmill.domains.generation.dataset import Prepared
from gristmill.domains.generation.settings import Train
from gristmill.domains.text.sequences import Sequences, TokenIds
from gristmill.training.feed import GatheredFeed
from gristmill.training.fit import Batch


def feed_of(data: Prepared, settings: Train) -> GatheredFeed:
    """Return the feed of the training part."""
    if data.layout.after_each:
        return WindowFeed(data.stream("train"), data.layout.length, settings)
    prefixes = Prefixes(data.lines("train"), data.layout.length)
    return GatheredFeed(prefixes.positions, prefixes.gather, settings, updates=settings.steps_per_epoch)


def validation_of(data: Prepared, settings: Train) -> tf.data.Dataset | None:
    """Return batches of the validation part, the same in every epoch; None where it has no example."""
    length = data.layout.length
    windows = data.layout.after_each
    examples = Windows(data.stream("validation"), length) if windows else Prefixes(data.lines("validation"), length)
    if not examples.positions.shape[0]:
        return None
    return tf.data.Dataset.from_tensor_slices(examples.positions).batch(settings.batch_size).map(examples.gather)


class WindowFeed(GatheredFeed):
    """Windows that lie end to end in the stream.

    Where the first begins is drawn anew for each epoch, so that no token is always the first of a window.
    """

    def __init__(self, stream: TokenIds, length: int, settings: Train) -> None:
        """Feed windows of `length` of a stream that holds one token more than a window at least."""
        windows = Windows(stream, length)
        count = max(1, (len(stream) - length) // length)  # as many from whichever token the first one begins at
        self._begins = min(length, len(stream) - count * length)  # so many tokens that it may
        positions = tf.range(count, dtype=tf.int64) * length
        super().__init__(positions, windows.gather, settings, updates=settings.steps_per_epoch)

    def _order(self, epoch: tf.Tensor) -> tf.Tensor:
        seed = tf.stack([tf.constant(self._settings.seed, tf.int64), epoch])
        first = tf.random.stateless_uniform((), seed, 0, self._begins, tf.int64)
        return super()._order(epoch) + first


class Windows:
    """Batches of (window, the same one token later), (batch, length) each."""

    def __init__(self, stream: TokenIds, length: int) -> None:
        """Take windows of `length` of a stream, end to end from its first token on."""
        self.positions = tf.range((len(stream) - 1) // length, dtype=tf.int64) * length
        self._stream = tf.constant(stream, tf.int32)
        self._steps = tf.range(length, dtype=tf.int64)

    def gather(self, positions: tf.Tensor) -> Batch:
        """Return the windows at some positions, (batch,), and what follows each token in them."""
        index = positions[:, tf.newaxis] + self._steps
        return tf.gather(self._stream, index), tf.gather(self._stream, index + 1)


class Prefixes:
    """Batches of (beginning of a line, the token that follows it), (batch, width) and (batch,).

    Every token but the first of a line is told once. Beginnings are filled up in front, to the longest of their batch.
    """

    def __init__(self, lines: Sequences, length: int) -> None:
        """Take the beginnings of lines, of which the last `length` tokens are seen."""
        first = np.repeat(lines.starts[:-1], lines.lengths)  # of its line, for each token
        at = np.arange(len(lines.values))
        self.positions = tf.constant(at[at > first], tf.int64)  # of the tokens that are told
        self._tokens = tf.constant(lines.values, tf.int32)
        self._begins = tf.constant(np.maximum(first, at - length), tf.int64)  # of what is seen before each token

    def gather(self, positions: tf.Tensor) -> Batch:
        """Return the beginnings before the tokens at some positions, (batch,), and these tokens."""
        begins = tf.gather(self._begins, positions)
        width = tf.reduce_max(positions - begins)
        index = positions[:, tf.newaxis] - width + tf.range(width)
        seen = tf.gather(self._tokens, tf.maximum(index, 0))
        return tf.where(index >= begins[:, tf.newaxis], seen, 0), tf.gather(self._tokens, positions)

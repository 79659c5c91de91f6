"""Training batches of next-token networks: windows of the stream, or all prefixes of each line.

Both are gathered from the tokens by position, in parallel with the updates, and take no memory of their own. Targets
are token ids ("sparse"). One-hot targets, as in the course, would take 40,000 bytes per example instead of 4 for a
vocabulary of 10,000, for the same loss.
"""

import numpy as np
import tensorflow as tf

from gristmill.domains.generation.dataset import Prepared
from gristmill.domains.generation.settings import Train
from gristmill.domains.text.sequences import Sequences, TokenIds
from gristmill.training.feed import GatheredFeed
from gristmill.training.fit import Batch


def feed_of(data: Prepared, settings: Train) -> GatheredFeed:
    """Return the feed of the training set."""
    if data.layout.after_each:
        return TokenWindowFeed(data.stream("train"), data.layout.length, settings)
    prefixes = Prefixes(data.lines("train"), data.layout.length)
    return GatheredFeed(prefixes.positions, prefixes.gather, settings, updates=settings.steps_per_epoch)


def validation_of(data: Prepared, settings: Train) -> tf.data.Dataset | None:
    """Return batches of the validation set, the same in every epoch; None if it has no example."""
    length = data.layout.length
    windows = data.layout.after_each
    examples = Windows(data.stream("validation"), length) if windows else Prefixes(data.lines("validation"), length)
    if not examples.positions.shape[0]:
        return None
    return tf.data.Dataset.from_tensor_slices(examples.positions).batch(settings.batch_size).map(examples.gather)


class TokenWindowFeed(GatheredFeed):
    """Consecutive windows of the stream.

    The beginning of the first window is drawn for each epoch, so that no token is always the first of a window.
    """

    def __init__(self, stream: TokenIds, length: int, settings: Train) -> None:
        """Create the feed of a stream that is longer than a window."""
        windows = Windows(stream, length)
        count = max(1, (len(stream) - length) // length)  # the same number wherever the first one begins
        self._begins = min(length, len(stream) - count * length)  # number of possible start positions
        positions = tf.range(count, dtype=tf.int64) * length
        super().__init__(positions, windows.gather, settings, updates=settings.steps_per_epoch)

    def _order(self, epoch: tf.Tensor) -> tf.Tensor:
        seed = tf.stack([tf.constant(self._settings.seed, tf.int64), epoch])
        first = tf.random.stateless_uniform((), seed, 0, self._begins, tf.int64)
        return super()._order(epoch) + first


class Windows:
    """Batches of (window, the same window one token later), (batch, length) each."""

    def __init__(self, stream: TokenIds, length: int) -> None:
        """Take consecutive windows of `length` from the first token of a stream on."""
        self.positions = tf.range((len(stream) - 1) // length, dtype=tf.int64) * length
        self._stream = tf.constant(stream, tf.int32)
        self._steps = tf.range(length, dtype=tf.int64)

    def gather(self, positions: tf.Tensor) -> Batch:
        """Return the windows at positions, (batch,), and the token that follows each of their tokens."""
        index = positions[:, tf.newaxis] + self._steps
        return tf.gather(self._stream, index), tf.gather(self._stream, index + 1)


class Prefixes:
    """Batches of (prefix of a line, the token that follows it), (batch, width) and (batch,).

    Every token except the first of a line is predicted once. Prefixes are padded on the left to the longest of a batch.
    """

    def __init__(self, lines: Sequences, length: int) -> None:
        """Take the last `length` tokens of each prefix of lines."""
        first = np.repeat(lines.starts[:-1], lines.lengths)  # position of the line of each token
        at = np.arange(len(lines.values))
        self.positions = tf.constant(at[at > first], tf.int64)  # of the predicted tokens
        self._tokens = tf.constant(lines.values, tf.int32)
        self._begins = tf.constant(np.maximum(first, at - length), tf.int64)  # of the prefix before each token

    def gather(self, positions: tf.Tensor) -> Batch:
        """Return the prefixes before the tokens at positions, (batch,), and these tokens."""
        begins = tf.gather(self._begins, positions)
        width = tf.reduce_max(positions - begins)
        index = positions[:, tf.newaxis] - width + tf.range(width)
        seen = tf.gather(self._tokens, tf.maximum(index, 0))
        return tf.where(index >= begins[:, tf.newaxis], seen, 0), tf.gather(self._tokens, positions)

"""Train: a model from tokens to logits of the next token, by gradient descent or by counting.

Training batches are windows of the stream, or all prefixes of each line. Both are gathered from the tokens by position,
in parallel with the updates, and take no memory of their own. Targets are token ids ("sparse"). One-hot targets, as in
the course, would take 40,000 bytes per example instead of 4 for a vocabulary of 10,000, for the same loss.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.generation import dataset
from gristmill.domains.generation.dataset import Prepared
from gristmill.domains.generation.models import Shape
from gristmill.domains.generation.models.ngram import Counts
from gristmill.domains.generation.predictions import fit_counts, score_tokens
from gristmill.domains.generation.settings import Train
from gristmill.domains.text.tokens import Sequences, TokenIds
from gristmill.errors import RequestError
from gristmill.training.feed import Gather, GatheredFeed
from gristmill.training.fit import Batch, FitArguments, Goal, fit
from gristmill.training.history import TrainingHistory
from gristmill.training.seeds import seeded
from gristmill.training.train_steps import Model, build_network, check_network_shape, write_trained

_TOLERANCE = 1e-6  # of logits; small, since those of an untrained deep network differ little


def train(
    *,
    model: Model,
    train: Train,
    preprocess: Path,
    out: Path,
    files: Sequence[Path] = (),
    **arguments: Unpack[FitArguments],
) -> dict[str, int]:
    """Fit the model on the training set; with `patience`, select the epoch on the validation set.

    Writes the network (`saved_network.py`), `epochs.parquet`, `training.json` and `validation.parquet`, the bits of
    each token of the validation set. The loss is the cross-entropy of the next token in nats; divide by ln 2 for bits.
    Models of counts have no epochs. They predict the validation set first, and are then fitted on it as well.

    Raises:
        RequestError: settings do not fit each other, or custom code does not fit them.
        Diverged: the loss is not finite.
    """
    data = dataset.read(preprocess)
    if isinstance(model, Counts):
        counted, validation = fit_counts(model, data)
        validation.write_validation(out)
        return write_trained(counted, TrainingHistory(), out)
    # 1. Build the network.
    network = seeded(lambda: build(model, files, data.shape), train.seed)
    check_causal(network, data.shape)
    # 2. Fit it, and predict the validation set.
    feed = feed_of(data, train)
    held_out = validation_of(data, train)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    goal = Goal(keras.metrics.SparseCategoricalAccuracy("accuracy"))
    history = fit(network, feed, held_out, train, loss, goal=goal, **arguments)
    score_tokens(network, data, data.token_stream(), "validation").write_validation(out)
    return write_trained(network, history, out)


def build(model: Model, files: Sequence[Path], shape: Shape) -> keras.Model:
    """Return the model's network, from tokens to logits."""
    output = (None, shape.vocabulary) if shape.after_each else (shape.vocabulary,)
    return check_network_shape(build_network(model, files, shape), "sequence", [(None,)], [output], "tokens")


def check_causal(network: keras.Model, shape: Shape) -> None:
    """Check that later tokens do not change the predictions after earlier ones, which they contain the answers to."""
    if not shape.after_each or shape.length == 1:
        return
    tokens = np.ones((1, min(shape.length, 8)), np.int32)
    changed = tokens.copy()
    changed[:, -1] = shape.vocabulary - 1
    first, second = (np.asarray(network(seen))[:, :-1] for seen in (tokens, changed))
    if np.abs(first - second).max() > _TOLERANCE:
        raise RequestError(
            "the model's predictions depend on later tokens, which contain the answers. Use a network that only reads "
            'forward, or set preprocess.examples = "prefixes".'
        )


def feed_of(data: Prepared, settings: Train) -> GatheredFeed:
    """Return the feed of the training set."""
    if data.layout.after_each:
        return TokenWindowFeed(data.stream("train"), data.layout.length, settings)
    positions, gather = prefixes_of(data.lines("train"), data.layout.length)
    return GatheredFeed(positions, gather, settings, updates=settings.steps_per_epoch)


def validation_of(data: Prepared, settings: Train) -> tf.data.Dataset | None:
    """Return batches of the validation set, the same in every epoch; None if it has no example."""
    if data.layout.after_each:
        positions, gather = windows_of(data.stream("validation"), data.layout.length)
    else:
        positions, gather = prefixes_of(data.lines("validation"), data.layout.length)
    if not positions.shape[0]:
        return None
    return tf.data.Dataset.from_tensor_slices(positions).batch(settings.batch_size).map(gather)


class TokenWindowFeed(GatheredFeed):
    """Consecutive windows of the stream.

    The beginning of the first window is drawn for each epoch, so that no token is always the first of a window.
    """

    def __init__(self, stream: TokenIds, length: int, settings: Train) -> None:
        """Create the feed of a stream that is longer than a window."""
        _, gather = windows_of(stream, length)
        count = max(1, (len(stream) - length) // length)  # the same number wherever the first one begins
        self._begins = min(length, len(stream) - count * length)  # number of possible start positions
        positions = tf.range(count, dtype=tf.int64) * length
        super().__init__(positions, gather, settings, updates=settings.steps_per_epoch)

    def _order(self, epoch: tf.Tensor) -> tf.Tensor:
        seed = tf.stack([tf.constant(self._settings.seed, tf.int64), epoch])
        first = tf.random.stateless_uniform((), seed, 0, self._begins, tf.int64)
        return super()._order(epoch) + first


def windows_of(stream: TokenIds, length: int) -> tuple[tf.Tensor, Gather]:
    """Return where consecutive windows of a stream begin, and a function from such positions to batches.

    A batch is (window, the same window one token later), (batch, length) each.
    """
    tokens = tf.constant(stream, tf.int32)
    steps = tf.range(length, dtype=tf.int64)

    def gather(positions: tf.Tensor) -> Batch:
        index = positions[:, tf.newaxis] + steps
        return tf.gather(tokens, index), tf.gather(tokens, index + 1)

    return tf.range((len(stream) - 1) // length, dtype=tf.int64) * length, gather


def prefixes_of(lines: Sequences, length: int) -> tuple[tf.Tensor, Gather]:
    """Return the positions of the tokens to predict, and a function from such positions to batches.

    A batch is (prefix of a line, the token that follows it), (batch, width) and (batch,). Every token except the first
    of a line is predicted once, from up to `length` tokens. Prefixes are padded on the left to the longest of a batch.
    """
    first = np.repeat(lines.starts[:-1], lines.lengths)  # position of the line of each token
    at = np.arange(len(lines.values))
    tokens = tf.constant(lines.values, tf.int32)
    all_begins = tf.constant(np.maximum(first, at - length), tf.int64)  # of the prefix before each token

    def gather(positions: tf.Tensor) -> Batch:
        begins = tf.gather(all_begins, positions)
        width = tf.reduce_max(positions - begins)
        index = positions[:, tf.newaxis] - width + tf.range(width)
        seen = tf.gather(tokens, tf.maximum(index, 0))
        return tf.where(index >= begins[:, tf.newaxis], seen, 0), tf.gather(tokens, positions)

    return tf.constant(at[at > first], tf.int64), gather

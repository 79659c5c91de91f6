"""Train: a text classifier, with its held-out predictions.

Training batches are held in memory, and texts of similar length share a batch. A batch is as long as its longest text,
so a recurrent network spends few steps on padding. `benchmarks/texts_training.py` measures the effect.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Unpack

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.domains.common import supervised
from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.predictions import Probabilities, probabilities
from gristmill.domains.common.folds import Split
from gristmill.domains.common.supervised import Trained
from gristmill.domains.text import dataset
from gristmill.domains.text.dataset import Layout, Prepared
from gristmill.domains.text.learner import TextLearner
from gristmill.domains.text.settings import Train
from gristmill.domains.text.tokens import Sequences
from gristmill.errors import RequestError
from gristmill.settings.number_text import format_number
from gristmill.training.feed import Gather, GatheredFeed
from gristmill.training.fit import Batch, Feed, FitArguments, fit
from gristmill.training.seeds import seeded, shuffled
from gristmill.training.train_steps import ClosedForm, Model, build_network, check_network_shape
from gristmill.util.chunking import in_blocks

_PROBE_TEXTS, _MAX_PROBE_TOKENS, _MAX_PROBE_PADDING = 32, 8, 100  # random texts that padding must not affect
_BATCH_TEXTS = 256  # predicted at a time
_TOLERANCE = 1e-4  # of a logit, absolute and relative
_POOL_BATCHES = 50  # batches sorted by length together: more mean less padding, but a less random order


def train(
    *,
    model: Model | ClosedForm,
    train: Train,
    ingest: Path,
    preprocess: Path,
    out: Path,
    files: Sequence[Path] = (),
    **arguments: Unpack[FitArguments],
) -> dict[str, int]:
    """Fit the model: a network on the training set, a classifier in closed form on training and validation set.

    With `patience`, the validation set selects the network's epoch. Writes the classifier (`text_classifier.py`),
    `validation.parquet` (`held_out.py`), `epochs.parquet` and `training.json`.

    Raises:
        RequestError: settings do not fit each other.
        Diverged: the loss is not finite.
        Unsuitable: there are few texts, and `train.few_examples` is "refuse".
    """
    data = dataset.read(preprocess)
    balanced = train.class_weights is not None

    def train_network(model: Model, split: Split | None, arguments: FitArguments) -> Trained:
        learned = data.with_split(split) if split else data
        network = seeded(lambda: build(model, files, data), train.seed)
        truth = Targets(learned, train)
        width: int | None = network.input_shape[1]  # None for any number of tokens
        feed = feed_of(learned, truth, train, width)
        validation = validation_of(learned, truth, width)
        history = fit(network, feed, validation, train, truth.loss(), goal=truth.goal(), **arguments)
        network = with_probabilities(network)
        return network, history, probabilities_of(network, learned, "validation")

    learner = TextLearner(data, ingest, balanced)
    return supervised.train(learner, model, train_network, train.few_examples, arguments, out, balanced=balanced)


def build(model: Model, files: Sequence[Path], data: Prepared) -> keras.Model:
    """Return the model's network, from tokens to logits."""
    shape = data.shape
    network = build_network(model, files, shape)
    check_network_shape(network, "text", [(None,), (shape.length,)], [(shape.outputs,)], "tokens")
    check_padding_ignored(network, data.layout)
    return network


def check_padding_ignored(network: keras.Model, layout: Layout) -> None:
    """Check that padding does not change the output of a network for texts of any length.

    It is trained on texts padded to the longest of a batch, but serves texts padded to `length`.
    """
    if network.input_shape[1] is not None or layout.length == 1:
        return
    tokens = min(_MAX_PROBE_TOKENS, layout.length // 2)
    texts = np.random.default_rng(0).integers(1, layout.vocabulary, (_PROBE_TEXTS, tokens))
    missing = min(_MAX_PROBE_PADDING, layout.length - tokens)
    padded = np.pad(texts, [(0, 0), (missing, 0) if layout.pad == "pre" else (0, missing)])
    predict = tf.function(lambda tokens: network(tokens, training=False), [tf.TensorSpec((None, None), tf.int32)])
    plain, with_padding = (predict(tf.constant(tokens, tf.int32)).numpy() for tokens in (texts, padded))
    if not np.allclose(plain, with_padding, rtol=_TOLERANCE, atol=_TOLERANCE):
        raise RequestError(
            f"padding changes a logit of the network by {format_number(np.abs(plain - with_padding).max(), 2)}, so a "
            "served text would get another prediction than in training. Mask the padding (`mask_zero=True`, "
            f"gristmill.domains.text.layers), or use Input((shape.length,)), here ({layout.length},)."
        )


def with_probabilities(network: keras.Model) -> keras.Model:
    """Return a network of logits as one of probabilities, one for each class: (batch, classes)."""
    tokens = keras.Input(network.input_shape[1:], dtype="int32", name="tokens")
    return keras.Model(tokens, probabilities(network(tokens)), name="classifier")


def probabilities_of(network: keras.Model, data: Prepared, part: str) -> Probabilities:
    """Return a network's predicted probabilities for a part: (texts, classes).

    A network that takes any length gets texts of similar length together, which saves most of the padding.
    """
    sequences, width = data.sequences(part), network.input_shape[1]
    order = np.arange(len(sequences)) if width else np.argsort(sequences.lengths, kind="stable")
    gather = gather_padded(sequences, data.layout.pad, width)
    predicted = np.zeros((len(sequences), len(data.classes)))
    for rows in in_blocks(order, _BATCH_TEXTS):
        predicted[rows] = network.predict_on_batch(gather(tf.constant(rows)))
    return predicted


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
    return order.batch(_BATCH_TEXTS).map(gather_of(data, truth, "validation", width))


def gather_of(data: Prepared, truth: Targets, part: str, width: int | None) -> Gather:
    """Return a function from positions of a part to a batch of texts and targets."""
    labels = tf.constant(data.labels(part))
    gather_tokens = gather_padded(data.sequences(part), data.layout.pad, width)

    def gather(positions: tf.Tensor) -> Batch:
        return truth.batch(gather_tokens(positions), tf.gather(labels, positions))

    return gather


def gather_padded(sequences: Sequences, pad: str, width: int | None) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a function from positions, int64 (batch,), to sequences padded with 0, int32 (batch, width), in a graph.

    Without a width, a batch is as wide as its longest sequence, at least one token.
    """
    values = tf.constant(np.append(sequences.values, np.int32(0)))  # the last value is padding
    all_starts = tf.constant(sequences.starts, tf.int64)

    def gather(positions: tf.Tensor) -> tf.Tensor:
        starts = tf.gather(all_starts, positions)
        ends = tf.gather(all_starts, positions + 1)
        lengths = ends - starts
        wide = tf.maximum(tf.reduce_max(lengths), 1) if width is None else tf.constant(width, tf.int64)
        steps = tf.range(wide)[tf.newaxis]  # (1, wide)
        index = (ends - wide if pad == "pre" else starts)[:, tf.newaxis] + steps  # (batch, wide)
        inside = steps >= (wide - lengths)[:, tf.newaxis] if pad == "pre" else steps < lengths[:, tf.newaxis]
        tokens = tf.gather(values, tf.where(inside, index, tf.size(values, tf.int64) - 1))
        return tf.ensure_shape(tokens, (positions.shape[0], width))

    return gather


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

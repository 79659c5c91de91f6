"""Train: a text classifier, with its held-out predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common import supervised
from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.predictions import Probabilities, probabilities
from gristmill.domains.common.fold_training import Trained
from gristmill.domains.common.folds import Split
from gristmill.domains.text import dataset
from gristmill.domains.text.dataset import Layout, Prepared
from gristmill.domains.text.feed import feed_of, validation_of
from gristmill.domains.text.learner import TextLearner
from gristmill.domains.text.settings import Train
from gristmill.errors import RequestError
from gristmill.settings.messages import format_number
from gristmill.training.fit import FitArguments, fit
from gristmill.training.outputs import ClosedForm, Model, build_network, check_network_shape
from gristmill.training.seeds import seeded

_PROBE_TEXTS, _MAX_PROBE_TOKENS, _MAX_PROBE_PADDING = 32, 8, 100  # random texts that padding must not affect
_BATCH_TEXTS = 256
_TOLERANCE = 1e-4  # of a logit, absolute and relative


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
    data, balanced = dataset.read(preprocess), train.class_weights is not None

    def train_network(model: Model, split: Split | None, arguments: FitArguments) -> Trained:
        learned = data.with_split(split) if split else data
        network, truth = seeded(lambda: build(model, files, data), train.seed), Targets(learned, train)
        width: int | None = network.input_shape[1]  # None for any number of tokens
        feed, validation = feed_of(learned, truth, train, width), validation_of(learned, truth, width)
        history = fit(network, feed, validation, train, truth.loss(), goal=truth.goal(), **arguments)
        network = with_probabilities(network)
        return network, history, probabilities_of(network, learned, "validation")

    learner, few = TextLearner(data, ingest, balanced), train.few_examples
    return supervised.train(learner, model, train_network, few, arguments, out, balanced=balanced)


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
    any_length = [tf.TensorSpec((None, None), tf.int32)]
    predict = tf.function(lambda tokens: network(tokens, training=False), any_length)
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
    sequences, layout = data.sequences(part), data.layout
    fixed = network.input_shape[1] is not None
    order = np.arange(len(sequences)) if fixed else np.argsort(sequences.lengths, kind="stable")
    predicted = np.zeros((len(sequences), len(data.classes)))
    for begin in range(0, len(order), _BATCH_TEXTS):
        rows = order[begin : begin + _BATCH_TEXTS]
        batch = sequences.taken(rows)
        width = layout.length if fixed else max(1, int(batch.lengths.max()))
        predicted[rows] = network.predict_on_batch(batch.padded(width, layout.pad))
    return predicted

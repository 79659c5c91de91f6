"""Train: a text classifier, written as a network from tokens to probabilities."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.predictions import probabilities
from gristmill.domains.text import dataset
from gristmill.domains.text.dataset import Layout
from gristmill.domains.text.feed import feed_of, validation_of
from gristmill.domains.text.model_shape import Shape
from gristmill.domains.text.settings import Train
from gristmill.errors import RequestError
from gristmill.settings.messages import format_number
from gristmill.training.fit import FitArguments, fit
from gristmill.training.outputs import Model, build_network, check_network_shape, write_trained
from gristmill.training.seeds import seeded

_PROBE_TEXTS, _MAX_PROBE_TOKENS = 32, 8  # random texts that padding must not affect
_TOLERANCE = 1e-4  # of a logit, absolute and relative


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

    Writes the network (`saved_network.py`), `epochs.parquet` and `training.json`.

    Raises:
        RequestError: settings do not fit each other.
        Diverged: the loss is not finite.
    """
    data = dataset.read(preprocess)
    network, truth = seeded(lambda: build(model, files, data.layout), train.seed), Targets(data, train)
    width: int | None = network.input_shape[1]  # None for any number of tokens
    feed, validation = feed_of(data, truth, train, width), validation_of(data, truth, width)
    history = fit(network, feed, validation, train, truth.loss(), goal=truth.goal(), **arguments)
    return write_trained(with_probabilities(network), history, out)


def build(model: Model, files: Sequence[Path], layout: Layout) -> keras.Model:
    """Return the model's network, from tokens to logits."""
    shape = Shape(layout.vocabulary, layout.length, len(layout.classes))
    network = build_network(model, files, shape)
    check_network_shape(network, "text", [(None,), (shape.length,)], [(shape.outputs,)], "tokens")
    check_padding_ignored(network, layout)
    return network


def check_padding_ignored(network: keras.Model, layout: Layout) -> None:
    """Check that padding does not change the output of a network for texts of any length.

    It is trained on texts padded to the longest of a batch, but serves texts padded to `length`.
    """
    if network.input_shape[1] is not None or layout.length == 1:
        return
    tokens = min(_MAX_PROBE_TOKENS, layout.length // 2)
    texts = np.random.default_rng(0).integers(1, layout.vocabulary, (_PROBE_TEXTS, tokens))
    missing = layout.length - tokens
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

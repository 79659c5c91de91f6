"""Train: a classifier of texts, published as one that takes tokens and gives probabilities."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.predictions import probabilities
from gristmill.domains.text import dataset
from gristmill.domains.text.dataset import Layout, Prepared
from gristmill.domains.text.feed import feed_of, validation_of, width_of
from gristmill.domains.text.model_shape import Shape
from gristmill.domains.text.settings import Train
from gristmill.errors import RequestError
from gristmill.settings.custom_code import CustomCode
from gristmill.settings.messages import format_number
from gristmill.training.fit import OnEpoch, fit
from gristmill.training.outputs import refuse_misshapen, write_trained
from gristmill.training.seeds import seeded

_SHOWN, _TOKENS = 32, 8  # made-up texts that padding must not change, and tokens of each at most
_ALIKE = 1e-4  # largest difference of a logit, absolute and relative


class Model(Protocol):
    """Settings that can build their network."""

    def build(self, shape: Shape) -> keras.Model: ...


def train(
    *,
    model: Model | CustomCode,
    train: Train,
    preprocess: Path,
    out: Path,
    scratch: Path,
    logs: Path,
    on_epoch: OnEpoch,
    files: Sequence[Path] = (),
) -> dict[str, int]:
    """Fit the model on the training texts; choose the epoch on the validation texts where `patience` is set.

    Writes the network from tokens to probabilities (`network.py`), `epochs.parquet` and `training.json`.

    Args:
        model: settings of the model.
        train: settings of the training.
        preprocess: folder of the prepared texts.
        out: folder to write to.
        scratch: folder of the checkpoints.
        logs: folder of TensorBoard's logs.
        on_epoch: called after each epoch.
        files: of the user's own model, its file first.

    Raises:
        RequestError: settings that do not go together.
        Diverged: the loss is not a finite number.
    """
    data = dataset.read(preprocess)
    network, truth = seeded(lambda: build(model, data, files), train.seed), Targets(data, train)
    width = width_of(network)
    feed, validation = feed_of(data, truth, train, width), validation_of(data, truth, width)
    course = fit(network, feed, validation, train, truth.loss(), scratch, on_epoch, logs, goal=truth.goal())
    write_trained(with_probabilities(network), course, out)
    return {"parameters": network.count_params(), "epochs": len(course.losses)}


def build(model: Model | CustomCode, data: Prepared, files: Sequence[Path]) -> keras.Model:
    """Return the model's network, from tokens to logits."""
    layout = data.layout
    shape = Shape(layout.vocabulary, layout.length, len(layout.classes))
    network = model.load(files)(shape) if isinstance(model, CustomCode) else model.build(shape)
    refuse_misshapen(network, "text", [(None,), (shape.length,)], (shape.outputs,), holding="tokens")
    check_padding_ignored(network, layout)
    return network


def check_padding_ignored(network: keras.Model, layout: Layout) -> None:
    """Refuse a network of any number of tokens that says something else of a text once it is filled up.

    It would be trained and judged on texts filled up to the longest of a batch, and serve them filled up to `length`.
    """
    if width_of(network) is not None or layout.length == 1:
        return
    texts = np.random.default_rng(0).integers(1, layout.vocabulary, (_SHOWN, min(_TOKENS, layout.length // 2)))
    missing = layout.length - texts.shape[1]
    filled = np.pad(texts, [(0, 0), (missing, 0) if layout.pad == "pre" else (0, missing)])
    any_length = [tf.TensorSpec((None, None), tf.int32)]
    answer = tf.function(lambda tokens: network(tokens, training=False), any_length)
    alone, among = (answer(tf.constant(tokens, tf.int32)).numpy() for tokens in (texts, filled))
    if not np.allclose(alone, among, rtol=_ALIKE, atol=_ALIKE):
        raise RequestError(
            f"padding changes the network's output for a text by {format_number(np.abs(alone - among).max(), 2)} in "
            "a logit: the served length differs from the trained one. Mask the padding (`mask_zero=True`, "
            f"gristmill.domains.text.pooling), or take Input((shape.length,)), ({layout.length},)."
        )


def with_probabilities(network: keras.Model) -> keras.Model:
    """Return a network of logits as one of probabilities, a number a class: (batch, classes)."""
    tokens = keras.Input(network.input_shape[1:], dtype="int32", name="tokens")
    return keras.Model(tokens, probabilities(network(tokens)), name="classifier")

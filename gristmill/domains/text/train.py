"""Train: a text classifier, with predictions of texts that it was not fitted on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.classification.held_out import (
    FEW_EXAMPLES,
    NETWORK_FOLDS,
    Split,
    folds,
    has_few_examples,
    learning_rows,
    validation_split,
    write_held_out,
)
from gristmill.domains.common.classification.loss_and_labels import Targets
from gristmill.domains.common.classification.predictions import Probabilities, probabilities
from gristmill.domains.text import closed_form, dataset
from gristmill.domains.text.closed_form import ClosedForm
from gristmill.domains.text.dataset import Layout, Prepared
from gristmill.domains.text.feed import feed_of, validation_of
from gristmill.domains.text.model_shape import Shape
from gristmill.domains.text.predictions import probabilities_of
from gristmill.domains.text.settings import Train
from gristmill.domains.text.text_model import Padding, TextModel
from gristmill.errors import RequestError, Unsuitable
from gristmill.settings.messages import format_number
from gristmill.training.fit import FitArguments, fit
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import Model, build_network, check_network_shape, write_history
from gristmill.training.seeds import seeded

_PROBE_TEXTS, _MAX_PROBE_TOKENS = 32, 8  # random texts that padding must not affect
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

    With `patience`, the validation set selects the network's epoch. Writes the classifier (`text_model.py`),
    `validation.parquet` (`held_out.py`), `epochs.parquet` and `training.json`.

    Raises:
        RequestError: settings do not fit each other.
        Diverged: the loss is not finite.
        Unsuitable: there are few texts, and `train.few_examples` is "refuse".
    """
    data = dataset.read(preprocess)
    if isinstance(model, ClosedForm):
        return closed_form.fit(model, data, ingest, out)
    few = has_few_examples(data)
    if few and train.few_examples == "refuse":
        raise Unsuitable(f"needs {FEW_EXAMPLES:,} texts to learn from; there are {len(learning_rows(data)):,}")
    if few and train.few_examples == "average":
        return _train_folds(model, train, data, out, files, arguments)
    network, history = _trained(model, train, data, files, arguments)
    network = with_probabilities(network)
    if data.layout.counts["validation"]:
        write_held_out(data, [validation_split(data)], lambda _: probabilities_of(network, data, "validation"), out)
    return _write(network, history, data, out)


def _train_folds(
    model: Model, train: Train, data: Prepared, out: Path, files: Sequence[Path], arguments: FitArguments
) -> dict[str, int]:
    """Train a network for each fold of training and validation set, and write their average.

    Each fold serves as the validation set of the network that is trained on the others.
    """
    networks, histories = list[keras.Model](), list[TrainingHistory]()

    def predict(fold: Split) -> Probabilities:
        learned, name = data.with_split(fold), f"fold_{len(networks)}"
        places: FitArguments = {**arguments, "scratch": arguments["scratch"] / name, "logs": arguments["logs"] / name}
        network, history = _trained(model, train, learned, files, places)
        networks.append(with_probabilities(network, name))
        histories.append(history)
        return probabilities_of(networks[-1], learned, "validation")

    write_held_out(data, folds(data, NETWORK_FOLDS), predict, out)
    tokens = keras.Input(networks[0].input_shape[1:], dtype="int32", name="tokens")
    average = keras.layers.Average()([network(tokens) for network in networks])
    return _write(keras.Model(tokens, average, name="classifier"), histories[0], data, out)


def _trained(
    model: Model, train: Train, data: Prepared, files: Sequence[Path], arguments: FitArguments
) -> tuple[keras.Model, TrainingHistory]:
    """Return the trained network, from tokens to logits, and its history."""
    network, truth = seeded(lambda: build(model, files, data.layout), train.seed), Targets(data, train)
    width: int | None = network.input_shape[1]  # None for any number of tokens
    feed, validation = feed_of(data, truth, train, width), validation_of(data, truth, width)
    return network, fit(network, feed, validation, train, truth.loss(), goal=truth.goal(), **arguments)


def _write(network: keras.Model, history: TrainingHistory, data: Prepared, out: Path) -> dict[str, int]:
    """Write the classifier and its history, and return the counts for the run record."""
    layout = data.layout
    TextModel(data.tokenizer(), Padding(layout.length, layout.pad, layout.truncate), network).write(out)
    return {"parameters": network.count_params()} | write_history(history, out)


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


def with_probabilities(network: keras.Model, name: str = "classifier") -> keras.Model:
    """Return a network of logits as one of probabilities, one for each class: (batch, classes)."""
    tokens = keras.Input(network.input_shape[1:], dtype="int32", name="tokens")
    return keras.Model(tokens, probabilities(network(tokens)), name=name)

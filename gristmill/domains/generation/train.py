"""Train: a network that tells the next token, published as one from tokens to logits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import keras
import numpy as np

from gristmill.domains.generation import dataset
from gristmill.domains.generation.feed import feed_of, validation_of
from gristmill.domains.generation.model_shape import Shape
from gristmill.domains.generation.settings import Train
from gristmill.errors import RequestError
from gristmill.settings.custom_code import CustomCode
from gristmill.training.fit import Goal, OnEpoch, fit
from gristmill.training.outputs import check_network_shape, write_trained
from gristmill.training.seeds import seeded

_SAME = 1e-6  # logits that differ by less are the same: before training, those of a deep network differ by little


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
    """Fit the model on the training part; choose the epoch on the validation part where `patience` is set.

    Writes the network from tokens to logits (`network.py`), `epochs.parquet` and `training.json`. The loss is the
    cross-entropy of the next token in nats; divided by ln 2 it is in bits.

    Args:
        model: settings of the model.
        train: settings of the training.
        preprocess: folder of the prepared tokens.
        out: folder to write to.
        scratch: folder of the checkpoints.
        logs: folder of TensorBoard's logs.
        on_epoch: called after each epoch.
        files: of the user's own model, its file first.

    Raises:
        RequestError: settings that do not go together, or an own model that does not fit them.
        Diverged: the loss is not a finite number.
    """
    data = dataset.read(preprocess)
    shape = Shape(data.layout.vocabulary, data.layout.length, data.layout.after_each)
    network = seeded(lambda: build(model, shape, files), train.seed)
    check_causal(network, shape)
    feed, validation = feed_of(data, train), validation_of(data, train)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    goal = Goal(keras.metrics.SparseCategoricalAccuracy("accuracy"))
    course = fit(network, feed, validation, train, loss, scratch, on_epoch, logs, goal=goal)
    write_trained(network, course, out)
    return {"parameters": network.count_params(), "epochs": len(course.losses)}


def build(model: Model | CustomCode, shape: Shape, files: Sequence[Path]) -> keras.Model:
    """Return the model's network, from tokens to logits."""
    network = (model.load(files) if isinstance(model, CustomCode) else model.build)(shape)
    gives = (None, shape.vocabulary) if shape.after_each else (shape.vocabulary,)
    check_network_shape(network, "sequence", [(None,)], gives, holding="tokens")
    return network


def check_causal(network: keras.Model, shape: Shape) -> None:
    """Refuse a network that changes what it tells after a token with those that come later.

    It would be trained, and scored, on what it is to tell.
    """
    if not shape.after_each or shape.length == 1:
        return
    tokens = np.ones((1, min(shape.length, 8)), np.int32)
    changed = tokens.copy()
    changed[:, -1] = shape.vocabulary - 1
    told, again = (np.asarray(network(seen))[:, :-1] for seen in (tokens, changed))
    if np.abs(told - again).max() > _SAME:
        raise RequestError(
            "the model's network changes what it tells after a token with the tokens that come later, which are what "
            'it is to tell. Let it read forward alone, or set preprocess.examples = "prefixes".'
        )

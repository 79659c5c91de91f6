"""Train: a model from tokens to logits of the next token, by gradient descent or by counting."""

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import keras
import numpy as np

from gristmill.domains.generation import dataset
from gristmill.domains.generation.feed import feed_of, validation_of
from gristmill.domains.generation.model_shape import Shape
from gristmill.domains.generation.models.ngram import Counts
from gristmill.domains.generation.predictions import fit_counts, score_tokens
from gristmill.domains.generation.settings import Train
from gristmill.errors import RequestError
from gristmill.training.fit import FitArguments, Goal, fit
from gristmill.training.history import TrainingHistory
from gristmill.training.outputs import Model, build_network, check_network_shape, write_trained
from gristmill.training.seeds import seeded

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
    shape = Shape(data.layout.vocabulary, data.layout.length, data.layout.after_each)
    network = seeded(lambda: build(model, files, shape), train.seed)
    check_causal(network, shape)
    feed, held_out = feed_of(data, train), validation_of(data, train)
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

"""Network of a linear classifier on n-grams: from tokens to probabilities, by Keras's own layers and operations alone.

It looks up the key of each n-gram in a sorted table, and adds up the weights of those that are there, each once.
"""

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import layers, ops

from gristmill.domains.common.classification.predictions import probabilities
from gristmill.domains.text.nb_logistic import LinearClassifier
from gristmill.domains.text.ngrams import NO_KEY, Keys

if TYPE_CHECKING:
    import numpy.typing as npt

_AFTER_ALL_KEYS = np.iinfo(np.int64).max  # last in the table, where unknown keys find their weight of zero


def build_network(
    tokens: keras.KerasTensor, keys: keras.KerasTensor, known: Keys, classifier: LinearClassifier
) -> keras.Model:
    """Return the network from `tokens` to probabilities, (batch, classes).

    Args:
        tokens: the input, int32 (batch, steps).
        keys: keys of its n-grams, int64 (batch, any number); `NO_KEY` is ignored.
        known: the features of the classifier, sorted.
        classifier: its weights.
    """
    table = np.append(known, _AFTER_ALL_KEYS)
    outputs = len(classifier.bias)
    weights = np.append(classifier.weights, np.zeros((1, outputs)), axis=0)
    at = _find(table, _without_repetitions(keys), tokens)
    scores = ops.sum(_frozen(weights.astype(np.float32), "weights")(at), axis=1)
    count = ops.sum(ops.cast(ops.less(at, len(known)), "float32"), axis=1, keepdims=True)
    scores = scores / ops.sqrt(ops.maximum(count, 1.0))
    bias = _frozen(classifier.bias[np.newaxis].astype(np.float32), "bias")(_zero(tokens))
    logits = scores + bias
    made = probabilities(logits) if outputs == 1 else ops.softmax(ops.log_sigmoid(logits), axis=-1)
    return keras.Model(tokens, made, name="ngrams")


def replace_tokens(tokens: keras.KerasTensor, replacements: "npt.NDArray[np.int32]") -> keras.KerasTensor:
    """Return `replacements[token]` for each token: int32 (batch, steps)."""
    return ops.squeeze(_frozen(replacements[:, np.newaxis], "replacements")(tokens), axis=-1)


def _find(table: Keys, keys: keras.KerasTensor, tokens: keras.KerasTensor) -> keras.KerasTensor:
    """Return the positions of keys in a sorted table, and its last position for those that are not in it.

    `searchsorted` takes a vector, and Keras cannot give a vector the shape of a matrix of unknown size. So the result
    is taken from the vector by the running number of each place of the matrix.
    """
    ones = ops.ones_like(keys, dtype="int32")
    row, column = ops.cumsum(ones, axis=0) - 1, ops.cumsum(ones, axis=1) - 1
    flat = ops.reshape(keys, (-1,))
    known = _frozen(table[np.newaxis], "keys")(_zero(tokens))  # (keys,)
    at = ops.searchsorted(known, flat)
    at = ops.where(ops.equal(ops.take(known, at), flat), at, len(table) - 1)
    return ops.take(at, row * (ops.max(column) + 1) + column)


def _without_repetitions(keys: keras.KerasTensor) -> keras.KerasTensor:
    """Return the keys of each row sorted, with `NO_KEY` in place of repeated ones."""
    keys = ops.sort(keys, axis=1)
    repeated = ops.equal(keys[:, 1:], keys[:, :-1])
    return ops.where(ops.pad(repeated, ((0, 0), (1, 0))), NO_KEY, keys)


def _zero(tokens: keras.KerasTensor) -> keras.KerasTensor:
    """Return a scalar 0 that depends on the input, as each tensor of a functional model must."""
    return ops.sum(ops.zeros_like(tokens))


def _frozen(values: "npt.NDArray[np.generic]", name: str) -> keras.layers.Layer:
    """Return a layer that looks up rows of values, which are not trained."""
    rows, columns = values.shape
    layer = layers.Embedding(rows, columns, "zeros", dtype=values.dtype.name, trainable=False, name=name)
    layer.build()
    layer.set_weights([values])
    return layer

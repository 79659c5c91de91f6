"""N-gram model as a network: from token ids to the logarithms of the probabilities of the next token.

The number of a context is found token by token: an n-gram's key is the number of its first tokens times the vocabulary,
plus its last token, and its position in the sorted table of keys is the number of the context that it is for the next
token. Keys therefore stay small for any order. All tables are weights, so that the network is saved and exported like
any other.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from gristmill.domains.generation.model_shape import Shape
from gristmill.domains.generation.ngram_counts import Grams

_MIN_PROBABILITY = 1e-30  # of padding, which never follows


def ngram_network(orders: list[Grams], shape: Shape) -> keras.Model:
    """Return the network of the tables of 1 token, of 2, and so on: tokens, int32 (batch, length), to logits."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    zero = ops.reshape(ops.sum(tokens) * 0, (1,))  # index of the single row of each table
    last = tokens if shape.after_each else tokens[:, -1:]
    unigram = np.full(shape.vocabulary, orders[0].weights[0] / (shape.vocabulary - 1))
    unigram[0] = 0
    unigram[orders[0].keys] += orders[0].shares
    probabilities = ops.ones_like(last, dtype="float32")[..., None] * _table(unigram, "unigram")(zero)
    context = ops.zeros_like(tokens, dtype="int64")
    keys = _table(orders[0].keys, "keys_1")(zero)[0]
    for order, grams in enumerate(orders[1:], start=2):
        context = _position(keys, context * shape.vocabulary + ops.cast(tokens, "int64"))
        keys = _table(grams.keys, f"keys_{order}")(zero)[0]
        asked = context if shape.after_each else context[:, -1:]
        probabilities = _interpolate(probabilities, asked, keys, grams, zero + 1, shape.vocabulary, order)
        context = ops.pad(
            context[:, :-1], [[0, 0], [1, 0]], constant_values=len(grams.weights)
        )  # none before the first
    logits = ops.log(ops.maximum(probabilities, _MIN_PROBABILITY))
    return keras.Model(tokens, logits if shape.after_each else logits[:, 0], name="ngram")


def _table(values: Any, name: str) -> layers.Layer:
    """Return a layer that holds an array as the single row of its weight."""
    return _frozen(np.asarray(values)[np.newaxis], name)


def _column(values: Any, name: str) -> layers.Layer:
    """Return a layer that looks up values by their position."""
    return _frozen(np.asarray(values)[:, np.newaxis], name)


def _frozen(matrix: Any, name: str) -> layers.Layer:
    dtype = "int64" if matrix.dtype.kind == "i" else "float32"
    layer = layers.Embedding(*matrix.shape, embeddings_initializer="zeros", dtype=dtype, trainable=False, name=name)
    layer.build()
    layer.embeddings.assign(matrix)
    return layer


def _position(keys: Any, wanted: Any) -> Any:
    """Return the position of each wanted key; of one that is missing, the number of keys."""
    at = _first_at_least(keys, wanted)
    count = keys.shape[0]
    found = ops.equal(ops.take(keys, ops.minimum(at, count - 1)), wanted)
    return ops.where(found, at, count)


def _first_at_least(keys: Any, wanted: Any) -> Any:
    """Return the position of the first key that is not below each wanted one, (batch, steps).

    TensorFlow searches for a list of keys only; looking the results up by number restores the shape.
    """
    row, step = _indices(wanted)
    width = ops.sum(ops.ones_like(wanted), axis=1, keepdims=True)
    return ops.cast(ops.take(ops.searchsorted(keys, ops.reshape(wanted, (-1,))), row * width + step), "int64")


def _indices(values: Any) -> tuple[Any, Any]:
    """Return the number of the row and of the step of each value."""
    ones = ops.ones_like(values)
    return ops.cumsum(ones, axis=0) - 1, ops.cumsum(ones, axis=1) - 1


def _interpolate(
    probabilities: Any, context: Any, keys: Any, grams: Grams, one: Any, vocabulary: int, order: int
) -> Any:
    """Return the probabilities of an order from those of the order below, (batch, steps, vocabulary).

    The n-grams of a context are consecutive in the table, from the first key that belongs to it on.
    """
    most = int(np.unique(grams.keys // vocabulary, return_counts=True)[1].max())
    begin, end = (_first_at_least(keys, (context + more) * vocabulary) for more in (0, 1))
    before = 1 - ops.cumsum(ops.broadcast_to(one, (most,)))  # 0, -1, …; a sum could take them for biases of the steps
    at = begin[..., None] - ops.cast(before, "int64")
    follows = at < end[..., None]  # (batch, steps, most)
    at = ops.minimum(at, len(grams.keys) - 1)
    token = ops.where(follows, ops.cast(ops.take(keys, at) % vocabulary, "int32"), 0)
    share = ops.where(follows, _column(grams.shares, f"shares_{order}")(at)[..., 0], 0.0)
    row, step = (index[..., None] * ops.ones_like(token) for index in _indices(token[..., 0]))
    weight = _column(np.append(grams.weights, 1.0), f"weights_{order}")(context)
    return ops.scatter_update(weight * probabilities, ops.stack([row, step, token], axis=-1), share, reduction="add")

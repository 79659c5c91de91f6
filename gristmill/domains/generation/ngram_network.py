"""N-gram model as a network: from token ids to the logarithms of the probabilities of the next token.

The number of a context is found token by token: an n-gram's key is the number of its first tokens times the vocabulary,
plus its last token, and its position in the sorted table of keys is the number of the context that it is for the next
token. Keys therefore stay small for any order.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from gristmill.domains.generation.model_shape import Shape
from gristmill.domains.generation.ngram_counts import Grams
from gristmill.training.lookup_tables import (
    AFTER_ALL_KEYS,
    constant,
    first_at_least,
    frozen_table,
    positions_of,
    row_and_step_indices,
)

_MIN_PROBABILITY = 1e-30  # probability of padding, which follows no token


def ngram_network(orders: list[Grams], shape: Shape) -> keras.Model:
    """Return the network of the tables of 1 token, of 2, and so on: tokens, int32 (batch, length), to logits."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    one = ops.reshape(ops.sum(tokens) * 0 + 1, (1,))
    last = tokens if shape.after_each else tokens[:, -1:]
    unigram = np.full(shape.vocabulary, orders[0].weights[0] / (shape.vocabulary - 1))
    unigram[0] = 0
    unigram[orders[0].keys] += orders[0].shares
    probabilities = ops.ones_like(last, dtype="float32")[..., None] * constant(unigram, tokens, "unigram")
    context = ops.zeros_like(tokens, dtype="int64")
    keys = _keys(orders[0], tokens, 1)
    for order, grams in enumerate(orders[1:], start=2):
        context = positions_of(keys, context * shape.vocabulary + ops.cast(tokens, "int64"))
        keys = _keys(grams, tokens, order)
        asked = context if shape.after_each else context[:, -1:]
        probabilities = _interpolate(probabilities, asked, keys, grams, one, shape.vocabulary, order)
        context = ops.pad(
            context[:, :-1], [[0, 0], [1, 0]], constant_values=len(grams.weights)
        )  # none before the first
    logits = ops.log(ops.maximum(probabilities, _MIN_PROBABILITY))
    return keras.Model(tokens, logits if shape.after_each else logits[:, 0], name="ngram")


def _keys(grams: Grams, tokens: Any, order: int) -> Any:
    return constant(np.append(grams.keys, AFTER_ALL_KEYS), tokens, f"keys_{order}")


def _interpolate(
    probabilities: Any, context: Any, keys: Any, grams: Grams, one: Any, vocabulary: int, order: int
) -> Any:
    """Return the probabilities of an order from those of the order below, (batch, steps, vocabulary).

    The n-grams of a context are consecutive in the table, from the first key that belongs to it on.
    """
    most = int(np.unique(grams.keys // vocabulary, return_counts=True)[1].max())
    begin, end = (first_at_least(keys, (context + more) * vocabulary) for more in (0, 1))
    before = 1 - ops.cumsum(ops.broadcast_to(one, (most,)))  # 0, -1, …; a sum could take them for biases of the steps
    at = begin[..., None] - ops.cast(before, "int64")
    follows = at < end[..., None]  # (batch, steps, most)
    at = ops.minimum(at, len(grams.keys) - 1)
    token = ops.where(follows, ops.cast(ops.take(keys, at) % vocabulary, "int32"), 0)
    share = ops.where(follows, frozen_table(grams.shares[:, np.newaxis], f"shares_{order}")(at)[..., 0], 0.0)
    row, step = (index[..., None] * ops.ones_like(token) for index in row_and_step_indices(token[..., 0]))
    weight = frozen_table(np.append(grams.weights, 1.0)[:, np.newaxis], f"weights_{order}")(context)
    return ops.scatter_update(weight * probabilities, ops.stack([row, step, token], axis=-1), share, reduction="add")

"""Network of a linear classifier on n-grams: from tokens to probabilities, by Keras's own layers and operations alone.

It looks up the key of each n-gram in a sorted table, and adds up the weights of those that are there, each once.
"""

from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from gristmill.domains.common.classification.predictions import probabilities
from gristmill.domains.text.nb_logistic import LinearClassifier
from gristmill.domains.text.ngrams import NO_KEY, Keys
from gristmill.training.lookup_tables import AFTER_ALL_KEYS, constant, frozen_table, positions_of

if TYPE_CHECKING:
    import numpy.typing as npt


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
    table = constant(np.append(known, AFTER_ALL_KEYS), tokens, "keys")
    outputs = len(classifier.bias)
    weights = np.append(classifier.weights, np.zeros((1, outputs)), axis=0)
    at = positions_of(table, _without_repetitions(keys))
    scores = ops.sum(frozen_table(weights, "weights")(at), axis=1)
    count = ops.sum(ops.cast(ops.less(at, len(known)), "float32"), axis=1, keepdims=True)
    scores = scores / ops.sqrt(ops.maximum(count, 1.0))
    logits = scores + constant(classifier.bias, tokens, "bias")
    made = probabilities(logits) if outputs == 1 else ops.softmax(ops.log_sigmoid(logits), axis=-1)
    return keras.Model(tokens, made, name="ngrams")


def replace_tokens(tokens: keras.KerasTensor, replacements: "npt.NDArray[np.int32]") -> keras.KerasTensor:
    """Return `replacements[token]` for each token: int32 (batch, steps)."""
    return ops.squeeze(frozen_table(replacements[:, np.newaxis], "replacements")(tokens), axis=-1)


def _without_repetitions(keys: keras.KerasTensor) -> keras.KerasTensor:
    """Return the keys of each row sorted, with `NO_KEY` in place of repeated ones."""
    keys = ops.sort(keys, axis=1)
    repeated = ops.equal(keys[:, 1:], keys[:, :-1])
    return ops.where(ops.pad(repeated, ((0, 0), (1, 0))), NO_KEY, keys)

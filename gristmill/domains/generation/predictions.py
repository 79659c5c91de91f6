"""Predictions of a network for the tokens of a part: each token is predicted once, from the tokens before it.

With windows, each token is predicted from at least half a window: windows overlap by half, and only the predictions of
the second half are used. The windows of a part's first tokens begin in the part before. With prefixes, each token
except the first of a line is predicted from the beginning of the line.
"""

from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from gristmill.domains.common.sampling import evenly_spaced
from gristmill.domains.generation.dataset import Positions, Prepared, TokenStream
from gristmill.domains.generation.scores import TokenOutcomes
from gristmill.domains.text.tokens import TokenIds

if TYPE_CHECKING:
    from gristmill.domains.generation.models.ngram import Counts

_MAX_LOGITS_PER_BATCH = 1 << 21
_MAX_ROWS_PER_BATCH = 1024
_PARITY_SEQUENCES = 64


def score_tokens(network: keras.Model, data: Prepared, tokens: TokenStream, part: str) -> TokenOutcomes:
    """Return the outcome of a network's predictions for the tokens `tokens.scored(part)`."""
    layout, count = data.layout, len(tokens.scored(part))
    if not count:
        return TokenOutcomes(np.empty(0), np.empty(0, bool))

    def score(seen: tf.Tensor, following: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return bits and correctness of the tokens that follow the last ones of sequences."""
        logits = network(seen, training=False)
        logits = logits[:, -tf.shape(following)[1] :] if len(logits.shape) == 3 else logits[:, tf.newaxis]
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(following, logits)
        return nats / tf.math.log(2.0), tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), following)

    predict = tf.function(score, input_signature=[tf.TensorSpec((None, None), tf.int32)] * 2)
    if layout.after_each:
        rows, following = windows(tokens, part, layout.length, layout.length - layout.length // 2)
        size = max(1, _MAX_LOGITS_PER_BATCH // (layout.length * layout.vocabulary))
    else:
        positions = tokens.scored(part)
        rows, following = contexts(tokens, positions, layout.length), tokens.values[positions, np.newaxis]
        size = max(1, min(_MAX_ROWS_PER_BATCH, _MAX_LOGITS_PER_BATCH // layout.vocabulary))
    batches = [predict(rows[at : at + size], following[at : at + size]) for at in range(0, len(rows), size)]
    bits, right = (np.concatenate([np.ravel(batch) for batch in column]) for column in zip(*batches, strict=True))
    return TokenOutcomes(bits[:count].astype(np.float64), right[:count])


def fit_counts(model: "Counts", data: Prepared) -> tuple[keras.Model, TokenOutcomes]:
    """Return a model of counts, fitted on the training and the validation set, and outcomes of the validation set.

    These are the outcomes of the model fitted on the training set alone.
    """
    validation = score_tokens(model.fit(data), data, data.token_stream(), "validation")
    keras.backend.clear_session()  # names of layers must not depend on other work of this process
    return model.fit(data.learning_from_validation()), validation


def windows(tokens: TokenStream, part: str, length: int, stride: int) -> tuple[TokenIds, TokenIds]:
    """Return windows of a part, (windows, length), and the tokens that follow the last `stride` tokens of each.

    These tokens are consecutive from the part's first token on; those beyond its last one must be ignored.
    """
    begin, end = tokens.bounds[part]
    predicted = np.arange(begin, end, stride)[:, np.newaxis] + np.arange(stride)
    seen = predicted[:, -1:] - np.arange(length, 0, -1)
    last = len(tokens.values) - 1
    return tokens.values[np.minimum(seen, last)], tokens.values[np.minimum(predicted, last)]


def contexts(tokens: TokenStream, positions: Positions, length: int) -> TokenIds:
    """Return the tokens before positions in their lines, padded on the left: (positions, width).

    The width is that of the longest context, at most `length`.
    """
    width = min(length, int(tokens.before[positions].max(initial=1)))
    back = np.arange(width, 0, -1)
    seen = tokens.values[np.maximum(positions[:, np.newaxis] - back, 0)]
    return np.where(back <= tokens.before[positions, np.newaxis], seen, 0).astype(np.int32)


def parity_sequences(tokens: TokenStream, length: int) -> TokenIds:
    """Return contexts of evenly spaced test tokens, (sequences, length), to compare an exported model with."""
    positions = tokens.scored("test")
    return contexts(tokens, positions[evenly_spaced(len(positions), _PARITY_SEQUENCES)], length)

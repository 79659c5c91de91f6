"""What a network says of each token of a part: every token is told once, knowing what came before it.

Of windows, a token is told from half a window at least: windows overlap by half, and of each only what its second half
tells is taken. The windows of a part's first tokens begin in the part before. Of prefixes, each token but the first of
a line is told from the line's beginning.
"""

import itertools
from collections.abc import Callable

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.domains.generation.baselines import Ids as Positions
from gristmill.domains.generation.baselines import TokenStream
from gristmill.domains.generation.dataset import PARTS, Prepared
from gristmill.domains.generation.scores import TokenOutcomes

_LOGITS = 1 << 24  # numbers that a network gives at a time, at most
_ROWS = 1024  # sequences that it is shown at a time, at most
_PROVED = 64  # sequences whose probabilities an exported model must give again

Ids = npt.NDArray[np.int32]


def token_stream(data: Prepared) -> TokenStream:
    """Return the tokens of all parts, as the models of counts take them."""
    layout = data.layout
    if layout.after_each:
        values = np.concatenate([data.stream(part) for part in PARTS])
        return TokenStream(values, np.arange(len(values), dtype=np.int32), layout.bounds, layout.vocabulary)
    lines = [data.lines(part) for part in PARTS]
    ends = np.cumsum([0, *(len(part.values) for part in lines)]).tolist()
    before = [np.arange(len(part.values)) - np.repeat(part.starts[:-1], part.lengths) for part in lines]
    bounds = dict(zip(PARTS, itertools.pairwise(ends), strict=True))
    values, depth = np.concatenate([part.values for part in lines]), np.concatenate(before).astype(np.int32)
    return TokenStream(values, depth, bounds, layout.vocabulary)


def score_tokens(network: keras.Model, data: Prepared, tokens: TokenStream, part: str) -> TokenOutcomes:
    """Return what became of a part's tokens, those of `tokens.scored(part)` in their order."""
    layout = data.layout
    judge = _judge(network)
    if layout.after_each:
        rows, came = windows(tokens, part, layout.length, layout.length - layout.length // 2)
        size = max(1, _LOGITS // (layout.length * layout.vocabulary))
    else:
        positions = tokens.scored(part)
        rows, came = contexts(tokens, positions, layout.length), tokens.values[positions, np.newaxis]
        size = max(1, min(_ROWS, _LOGITS // layout.vocabulary))
    made = [judge(rows[at : at + size], came[at : at + size]) for at in range(0, len(rows), size)]
    bits, right = (np.concatenate([np.ravel(one) for one in of]) for of in zip(*made, strict=True))
    told = len(tokens.scored(part))
    return TokenOutcomes(bits[:told].astype(np.float64), right[:told])


def windows(tokens: TokenStream, part: str, length: int, stride: int) -> tuple[Ids, Ids]:
    """Return windows of a part, (windows, length), and what is told by the last `stride` tokens of each.

    What is told lies end to end from the part's first token on; beyond its last one it is not meant.
    """
    begin, end = tokens.bounds[part]
    told = np.arange(begin, end, stride)[:, np.newaxis] + np.arange(stride)
    seen = told[:, -1:] - np.arange(length, 0, -1)
    last = len(tokens.values) - 1
    return tokens.values[np.minimum(seen, last)], tokens.values[np.minimum(told, last)]


def contexts(tokens: TokenStream, positions: Positions, length: int) -> Ids:
    """Return what stands before some positions in their lines, filled up in front: (positions, length).

    The longest of them is as wide as all are, if that is less than `length`.
    """
    width = min(length, int(tokens.before[positions].max(initial=1)))
    back = np.arange(width, 0, -1)
    seen = tokens.values[np.maximum(positions[:, np.newaxis] - back, 0)]
    return np.where(back <= tokens.before[positions, np.newaxis], seen, 0).astype(np.int32)


def parity_sequences(tokens: TokenStream, length: int) -> Ids:
    """Return sequences of the test part, (sequences, length), after which an exported model must tell the same.

    They are what stands before tokens from all over the part; of short lines, filled up in front.
    """
    positions = tokens.scored("test")
    chosen = np.unique(np.linspace(0, len(positions) - 1, _PROVED).astype(np.int64))
    return contexts(tokens, positions[chosen], length)


def _judge(network: keras.Model) -> Callable[[Ids, Ids], tuple[tf.Tensor, tf.Tensor]]:
    """Return a function from sequences and the tokens told after the last of each to bits, and whether it was right."""

    def judge(seen: tf.Tensor, came: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = network(seen, training=False)
        logits = logits[:, -tf.shape(came)[1] :] if len(logits.shape) == 3 else logits[:, tf.newaxis]
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(came, logits)
        return nats / tf.math.log(2.0), tf.equal(tf.argmax(logits, axis=-1, output_type=tf.int32), came)

    compiled: Callable[[Ids, Ids], tuple[tf.Tensor, tf.Tensor]] = tf.function(
        judge, input_signature=[tf.TensorSpec((None, None), tf.int32)] * 2
    )
    return compiled

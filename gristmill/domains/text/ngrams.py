"""Numbers ("keys") of n-grams: in NumPy for fitting, and as a Keras graph for predicting.

The key of tokens i, j, k of a vocabulary of V is ((i + 1)·B + j + 1)·B + k + 1 with B = V + 1. No two n-grams of any
length share a key.

- n-grams of words: neighbouring words, all of which are in the vocabulary. Pairs of words with others between them,
  and the words and pairs at the end of a text, are further n-grams, with B³ and 2·B³ added to their keys.
- n-grams of characters: neighbouring characters of one word, whose ends are marked by `BOUNDARY`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gristmill.domains.text.tokens import PADDING, UNKNOWN, Sequences

if TYPE_CHECKING:
    import keras

Keys = npt.NDArray[np.int64]

BOUNDARY = PADDING  # the white space around a word, and the ends of a text
NO_KEY = -1


def ngram_keys(sequences: Sequences, orders: Sequence[int], base: int, first_known: int) -> Iterator[tuple[Keys, Keys]]:
    """Yield, for each order, the keys of all n-grams within sequences, and the sequence that each is in.

    `orders` are the lengths n, ascending, and tokens below `first_known` belong to no n-gram.
    """
    values, owners = sequences.values.astype(np.int64), sequences.owners
    keys, known = np.zeros_like(values), np.ones(len(values), bool)
    for n in range(1, orders[-1] + 1):
        count = max(0, len(values) - n + 1)
        last = values[n - 1 :]
        keys, known = keys[:count] * base + last + 1, known[:count] & (last >= first_known)
        if n in orders:
            inside = known & (owners[:count] == owners[n - 1 :])
            yield keys[inside], owners[:count][inside]


def further_word_keys(sequences: Sequences, distance: int, ending: int, base: int) -> Iterator[tuple[Keys, Keys]]:
    """Yield the keys of further n-grams of words, and the sequence that each is in, in families of ascending keys.

    They are the pairs of words that are 2 to `distance` words apart, at whatever distance, and the words and pairs that
    begin among the last `ending` words of a longer text.
    """
    values, owners = sequences.values.astype(np.int64), sequences.owners
    known = values > UNKNOWN

    def pairs(apart: int, offset: int, where: npt.NDArray[np.bool_]) -> tuple[Keys, Keys]:
        count = max(0, len(values) - apart)
        inside = where[:count] & known[:count] & known[apart:] & (owners[:count] == owners[apart:])
        keys = offset + (values[:count] + 1) * base + values[apart:] + 1
        return keys[inside], owners[:count][inside]

    if distance > 1:
        keys, texts = zip(*(pairs(apart, base**3, known) for apart in range(2, distance + 1)), strict=True)
        yield np.concatenate(keys), np.concatenate(texts)
    if ending:
        left = sequences.starts[owners + 1] - np.arange(len(values))
        at_end = known & (left <= ending) & (sequences.lengths[owners] > ending)
        yield (2 * base**3 + values + 1)[at_end], owners[at_end]
        yield pairs(1, 2 * base**3, at_end)


def word_keys_in_graph(
    tokens: "keras.KerasTensor", orders: Sequence[int], base: int, distance: int = 1, ending: int = 0
) -> "keras.KerasTensor":
    """Return the keys of the n-grams of words of padded tokens, (batch, steps): int64 (batch, any number).

    Padding must be after the text. The further n-grams are those of `further_word_keys`.
    """
    from keras import ops

    ids = ops.cast(tokens, "int64")
    keys = [_keys_in_graph(ids, orders, base, lambda n: _shifted(ids, n - 1) > UNKNOWN)]

    def pairs(apart: int, offset: int, where: Any) -> "keras.KerasTensor":
        second = _shifted(ids, apart)
        both = ops.logical_and(ops.logical_and(ids > UNKNOWN, second > UNKNOWN), where)
        return ops.where(both, offset + (ids + 1) * base + second + 1, NO_KEY)

    keys += [pairs(apart, base**3, True) for apart in range(2, distance + 1)]
    if ending:
        longer = ops.sum(ops.cast(ops.not_equal(ids, PADDING), "int32"), axis=1, keepdims=True) > ending
        at_end = ops.logical_and(ops.equal(_shifted(ids, ending), PADDING), longer)
        single = ops.where(ops.logical_and(ids > UNKNOWN, at_end), 2 * base**3 + ids + 1, NO_KEY)
        keys += [single, pairs(1, 2 * base**3, at_end)]
    return ops.concatenate(keys, axis=1)


def character_keys_in_graph(characters: "keras.KerasTensor", orders: Sequence[int], base: int) -> "keras.KerasTensor":
    """Return the keys of the n-grams within words of characters, (batch, steps): int64 (batch, any number).

    Words are separated by `BOUNDARY`. An n-gram may begin and end with one, but has none inside.
    """
    from keras import ops

    ids = ops.pad(ops.cast(characters, "int64"), ((0, 0), (1, 1)))
    return _keys_in_graph(ids, orders, base, lambda n: n <= 2 or ops.not_equal(_shifted(ids, n - 2), BOUNDARY))


def _keys_in_graph(
    ids: "keras.KerasTensor", orders: Sequence[int], base: int, grows: Callable[[int], Any]
) -> "keras.KerasTensor":
    """Return the keys of n-grams; `grows` returns where those of n - 1 tokens may have one more."""
    from keras import ops

    keys, whole, by_order = ops.zeros_like(ids), ops.ones_like(ids, dtype="bool"), []
    for n in range(1, orders[-1] + 1):
        keys = keys * base + _shifted(ids, n - 1) + 1
        whole = ops.logical_and(whole, grows(n))
        if n in orders:
            by_order.append(ops.where(whole, keys, NO_KEY))
    return ops.concatenate(by_order, axis=1)


def _shifted(ids: "keras.KerasTensor", steps: int) -> "keras.KerasTensor":
    """Return the ids that follow `steps` later, and padding at the end: (batch, steps)."""
    from keras import ops

    return ops.pad(ids, ((0, 0), (0, steps)))[:, steps:]

"""Characters: each code point of Unicode is a token, so that a text comes back as it was."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from gristmill.domains.text.special_tokens import SPECIAL, UNKNOWN
from gristmill.domains.text.token_rules import Rules, most_frequent, vocabulary

_UNKNOWN_SHOWN = "\N{REPLACEMENT CHARACTER}"


class Characters:
    """The tokenizer of characters."""

    def __init__(self, tokens: list[str], rules: Rules) -> None:
        self.rules = rules
        self.tokens = tokens
        self.trackables: list[Any] = []
        points = np.array([ord(token) for token in tokens[len(SPECIAL) :]], np.int32)
        order = np.argsort(points)
        self._points = points[order]
        self._ids = (order + len(SPECIAL)).astype(np.int32)

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of the characters of texts: (batch, any length)."""
        characters = split(texts, self.rules)
        points, values = tf.constant(self._points), characters.flat_values
        place = tf.minimum(tf.searchsorted(points, values), len(self._points) - 1)
        ids = tf.where(tf.gather(points, place) == values, tf.gather(self._ids, place), UNKNOWN)
        return characters.with_flat_values(ids)

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the characters of each row in one string."""
        shown = [*self.tokens[:UNKNOWN], _UNKNOWN_SHOWN, *self.tokens[UNKNOWN + 1 :]]
        return tf.strings.reduce_join(tf.gather(tf.constant(shown), ids), axis=-1)

    def write(self, folder: Path) -> None:
        """Write nothing: all is in `tokenizer.json`."""


def split(texts: tf.Tensor, rules: Rules) -> tf.RaggedTensor:
    """Return the code points of texts: int32 (batch, any number)."""
    return tf.strings.unicode_decode(rules.cased(texts), "UTF-8")


def fit(texts: Sequence[str], size: int, rules: Rules) -> Characters:
    """Return the tokenizer of the most frequent characters, `size` with padding and unknown at most.

    Raises:
        DataError: there are too few.
    """
    return tokenizer_of(most_frequent(texts, size - len(SPECIAL), lambda batch: split(batch, rules)), size, rules)


def tokenizer_of(found: Sequence[int], size: int, rules: Rules) -> Characters:
    """Return the tokenizer of these characters, as `split` gives them; `size` was asked for.

    Raises:
        DataError: there are too few.
    """
    return Characters(vocabulary([chr(point) for point in found], size, rules), rules)


def read(folder: Path, tokens: list[str], rules: Rules) -> Characters:
    """Return the tokenizer of these characters."""
    return Characters(tokens, rules)

"""Tokenizer of characters: each Unicode code point is a token, so decoding restores a text exactly."""

from typing import Any

import numpy as np
import tensorflow as tf

from gristmill.domains.text.special_tokens import SPECIAL, UNKNOWN
from gristmill.domains.text.token_rules import Rules

_UNKNOWN_CHARACTER = "\N{REPLACEMENT CHARACTER}"


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

    @staticmethod
    def split(texts: tf.Tensor, rules: Rules) -> tf.RaggedTensor:
        """Return the code points of texts: int32 (batch, any number)."""
        return tf.strings.unicode_decode(rules.cased(texts), "UTF-8")

    @staticmethod
    def as_text(point: int) -> str:
        """Return a code point as a character."""
        return chr(point)

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of the characters of texts: (batch, any length)."""
        characters = self.split(texts, self.rules)
        points, values = tf.constant(self._points), characters.flat_values
        position = tf.minimum(tf.searchsorted(points, values), len(self._points) - 1)
        ids = tf.where(tf.gather(points, position) == values, tf.gather(self._ids, position), UNKNOWN)
        return characters.with_flat_values(ids)

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the characters of each row as one string."""
        characters = [*self.tokens[:UNKNOWN], _UNKNOWN_CHARACTER, *self.tokens[UNKNOWN + 1 :]]
        return tf.strings.reduce_join(tf.gather(tf.constant(characters), ids), axis=-1)

r"""Tokenizer of words: the strings between white space, in any alphabet, with or without punctuation.

"Don't LISTEN!" becomes

    strip      don't, listen        punctuation is removed; apostrophes inside words stay, curly ones straightened
    separate   don't, listen, !     each punctuation mark is a word of its own
    keep       don't, listen!       punctuation stays in the word

and keeps its capitals where `lower` is off. Punctuation is Unicode's, plus ASCII's ``$ + < = > ^ ` | ~``; an emoji is a
word or part of one. White space is Unicode's. Texts are split by RE2 regular expressions, which take time linear in the
length of the text.
"""

from typing import Any

import tensorflow as tf

from gristmill.domains.text.special_tokens import PADDING, SPECIAL, UNKNOWN
from gristmill.domains.text.token_rules import Rules

_LINE_END = "\x1e"  # replaces a line end while white space is removed; in a text it counts as a space
_SPACE = r"\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"  # white space beyond ASCII
_SYMBOLS = "$+<=>^`|~"  # ASCII symbols that Unicode does not class as punctuation
_MARK = rf"(?:[^\PP']|[{_SPACE}{_SYMBOLS}])"  # separators, except ASCII white space and the apostrophe
_ANY = rf"[\pP\s\v{_SPACE}{_SYMBOLS}]"
_STRIPPED = rf"{_MARK}{_ANY}*|'{_ANY}+|[\s\v]'{_ANY}*|^'{_ANY}*|'$"  # an apostrophe stays only between letters
_LETTER = rf"[^\pP\s\v{_SPACE}{_SYMBOLS}]"
_SEPARATED = rf"{_LETTER}+(?:'{_LETTER}+)*|[\pP{_SYMBOLS}]"  # a word, or a punctuation mark
_CLOSING, _OPENING = r" ([!%),.:;?\]}…’”»])", r"([(\[{“‘«]) "  # marks attached to the word before, or after


class Words:
    """The tokenizer of words."""

    def __init__(self, tokens: list[str], rules: Rules) -> None:
        self.rules = rules
        self.tokens = tokens
        known = [_LINE_END if word == "\n" else word for word in tokens[len(SPECIAL) :]]
        ids = tf.range(len(SPECIAL), len(tokens), dtype=tf.int32)
        table = tf.lookup.KeyValueTensorInitializer(tf.constant(known, tf.string), ids)
        self._table = tf.lookup.StaticHashTable(table, default_value=UNKNOWN)
        self.trackables: list[Any] = [self._table]

    @staticmethod
    def split(texts: tf.Tensor, rules: Rules) -> tf.RaggedTensor:
        """Return the words of texts: strings (batch, any number)."""
        texts = rules.cased(texts)
        if rules.lines:
            texts = tf.strings.regex_replace(texts, _LINE_END, " ")
            texts = tf.strings.regex_replace(texts, "\n", f" {_LINE_END} ")
        if rules.punctuation == "keep":
            return tf.strings.split(tf.strings.regex_replace(texts, f"[{_SPACE}]", " "))
        texts = tf.strings.regex_replace(texts, "’", "'")
        if rules.punctuation == "strip":
            return tf.strings.split(tf.strings.regex_replace(texts, _STRIPPED, " "))
        texts = tf.strings.regex_replace(texts, f"[{_SPACE}]", " ")
        return tf.strings.split(tf.strings.regex_replace(texts, _SEPARATED, r"\0 "))

    @staticmethod
    def as_text(word: bytes) -> str:
        """Return a word that `split` found as the vocabulary lists it."""
        text = word.decode()
        return "\n" if text == _LINE_END else text

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of the words of texts: (batch, any length)."""
        words = self.split(texts, self.rules)
        return words.with_flat_values(self._table.lookup(words.flat_values))

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the words of each row joined by spaces, without spaces at line ends and before closing marks."""
        names = tf.gather(tf.constant(self.tokens), ids)
        texts = tf.strings.reduce_join(tf.ragged.boolean_mask(names, ids != PADDING), axis=-1, separator=" ")
        texts = tf.strings.regex_replace(texts, " ?\n ?", "\n")
        if self.rules.punctuation != "separate":
            return texts
        return tf.strings.regex_replace(tf.strings.regex_replace(texts, _CLOSING, r"\1"), _OPENING, r"\1")

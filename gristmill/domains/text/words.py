r"""Words: what stands between white space, of any alphabet, with or without its punctuation.

"Don't LISTEN!" becomes

    strip      don't, listen        punctuation goes; an apostrophe inside a word stays, a curly one straight
    separate   don't, listen, !     each mark is a word of its own
    keep       don't, listen!       marks stay where they are

and keeps its capitals where `lower` is off. Punctuation is what Unicode calls so and ASCII's ``$ + < = > ^ ` | ~``; an
emoji is a word or part of one. White space is Unicode's. A text is cut by regular expressions of RE2, which take time
in proportion to it, whatever it holds.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from gristmill.domains.text.special_tokens import PADDING, SPECIAL, UNKNOWN
from gristmill.domains.text.token_rules import Rules, most_frequent, vocabulary

_LINE_END = "\x1e"  # stands for it while white space is cut away; where a text holds it, it is a space
_SPACE = r"\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"  # beyond ASCII's
_SYMBOLS = "$+<=>^`|~"  # punctuation on a keyboard, though not in Unicode
_MARK = rf"(?:[^\PP']|[{_SPACE}{_SYMBOLS}])"  # all that parts words, but ASCII's spaces and the apostrophe
_ANY = rf"[\pP\s\v{_SPACE}{_SYMBOLS}]"
_STRIPPED = rf"{_MARK}{_ANY}*|'{_ANY}+|[\s\v]'{_ANY}*|^'{_ANY}*|'$"  # an apostrophe goes unless it is between letters
_LETTER = rf"[^\pP\s\v{_SPACE}{_SYMBOLS}]"
_SEPARATED = rf"{_LETTER}+(?:'{_LETTER}+)*|[\pP{_SYMBOLS}]"  # a word, or a mark
_CLOSING, _OPENING = r" ([!%),.:;?\]}…’”»])", r"([(\[{“‘«]) "  # marks that stand close to the word before, or after


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

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the ids of the words of texts: (batch, any length)."""
        words = split(texts, self.rules)
        return words.with_flat_values(self._table.lookup(words.flat_values))

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the words of each row with spaces between, and none where a reader would not look for one."""
        names = tf.gather(tf.constant(self.tokens), ids)
        texts = tf.strings.reduce_join(tf.ragged.boolean_mask(names, ids != PADDING), axis=-1, separator=" ")
        texts = tf.strings.regex_replace(texts, " ?\n ?", "\n")
        if self.rules.punctuation != "separate":
            return texts
        return tf.strings.regex_replace(tf.strings.regex_replace(texts, _CLOSING, r"\1"), _OPENING, r"\1")

    def write(self, folder: Path) -> None:
        """Write nothing: all is in `tokenizer.json`."""


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


def fit(texts: Sequence[str], size: int, rules: Rules) -> Words:
    """Return the tokenizer of the most frequent words, `size` with padding and unknown at most.

    Raises:
        DataError: there are too few.
    """
    return tokenizer_of(most_frequent(texts, size - len(SPECIAL), lambda batch: split(batch, rules)), size, rules)


def tokenizer_of(found: Sequence[bytes], size: int, rules: Rules) -> Words:
    """Return the tokenizer of these words, as `split` gives them; `size` was asked for.

    Raises:
        DataError: there are too few.
    """
    words = [word.decode() for word in found]
    return Words(vocabulary(["\n" if word == _LINE_END else word for word in words], size, rules), rules)


def read(folder: Path, tokens: list[str], rules: Rules) -> Words:
    """Return the tokenizer of these words."""
    return Words(tokens, rules)

"""Tokenizers: fitted on the training texts, and used unchanged inside the exported model.

Token 0 is padding, token 1 represents everything outside the vocabulary. Depending on `level`, a token is a word
(`words.py`), a character (`characters.py`) or a subword (`subwords.py`). Everything runs in a graph.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from gristmill.domains.text import subwords
from gristmill.domains.text.characters import Characters
from gristmill.domains.text.sequences import Sequences, starts_from_lengths
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.special_tokens import SPECIAL
from gristmill.domains.text.token_rules import Rules, map_batches, most_frequent, vocabulary
from gristmill.domains.text.words import Words
from gristmill.errors import DataError
from gristmill.util.table_io import read_document, write_document

COUNTED: dict[str, type[Words] | type[Characters]] = {"word": Words, "character": Characters}
"""Levels whose vocabulary is a count of tokens; subwords are fitted by a model of their own."""

NEEDS = {"subword": ["tensorflow_text"]}  # modules that a program imports before it loads a SavedModel, by level


class Tokenizer(Protocol):
    """A fitted tokenizer.

    A SavedModel that uses it must be given its `trackables` as resources.
    """

    rules: Rules
    tokens: list[str]  # by id; 0 is padding, "", and 1 unknown, "[UNK]"
    trackables: list[Any]

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the tokens of texts, (batch,): int32 (batch, any length)."""

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the texts of tokens, (batch, n), without padding: (batch,)."""


def fit(texts: Sequence[str], settings: TokenSettings, lines: bool = False) -> Tokenizer:
    """Return the tokenizer of the most frequent tokens of texts; of equally frequent ones, those that sort first.

    With `lines`, line ends are tokens, as generation needs them, and not white space.

    Raises:
        DataError: the texts contain fewer than two tokens.
        RequestError: the vocabulary does not fit the texts, or an extra of the package is missing.
    """
    check_not_blank(texts)
    rules, size = Rules.of(settings, lines), settings.vocabulary
    if settings.level == "subword":
        return subwords.fit(texts, size, rules)
    split = COUNTED[settings.level].split
    return of_tokens(most_frequent(texts, size - len(SPECIAL), lambda batch: split(batch, rules)), size, rules)


def of_tokens(tokens: Sequence[Any], size: int, rules: Rules) -> Tokenizer:
    """Return the tokenizer of words or characters that `split` found; `size` is the requested maximum."""
    level = COUNTED[rules.level]
    return level(vocabulary([level.as_text(token) for token in tokens], size, rules), rules)


def check_not_blank(texts: Iterable[str]) -> None:
    """Check that the training texts contain more than white space."""
    if not any(text.strip() for text in texts):
        raise DataError("the training texts contain only white space. Add texts.")


def write(tokenizer: Tokenizer, folder: Path) -> None:
    """Write `tokenizer.json` and, for subwords, `subwords.model`."""
    write_document(folder / "tokenizer.json", {"rules": asdict(tokenizer.rules), "tokens": tokenizer.tokens})
    if isinstance(tokenizer, subwords.Subwords):
        tokenizer.write_model(folder)


def read(folder: Path) -> Tokenizer:
    """Read a tokenizer that `write` wrote."""
    document = read_document(folder / "tokenizer.json")
    rules, tokens = Rules(**document["rules"]), document["tokens"]
    return subwords.read(folder, tokens, rules) if rules.level == "subword" else COUNTED[rules.level](tokens, rules)


def are_equal(first: Tokenizer, second: Tokenizer) -> bool:
    """Return whether two tokenizers give the same tokens to every text."""
    if isinstance(first, subwords.Subwords) and isinstance(second, subwords.Subwords):
        return first.has_model_of(second)
    return first is second or (first.rules == second.rules and first.tokens == second.tokens)


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> Sequences:
    """Return the tokens of many texts, encoded in parallel."""
    if not len(texts):
        return Sequences(np.zeros(0, np.int32), np.zeros(1, np.int64))
    batches = [
        (tokens.flat_values.numpy(), tokens.row_lengths().numpy()) for tokens in map_batches(tokenizer.encode, texts)
    ]
    values, lengths = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return Sequences(values, starts_from_lengths(lengths))


def pad_tokens(tokens: tf.RaggedTensor, width: int, pad: str, truncate: str, to_longest: bool = False) -> tf.Tensor:
    """Return tokens, (batch, any length), as int32 (batch, width), in a graph; with `to_longest`, no wider than needed.

    Short sequences are filled with zeros on the side `pad`, long ones truncated on the side `truncate`: pre or post.
    """
    tokens = tokens[:, -width:] if truncate == "pre" else tokens[:, :width]
    shape = (None, None if to_longest else width)
    if pad == "post":
        return tokens.to_tensor(shape=shape)
    return tf.reverse(tf.reverse(tokens, axis=[1]).to_tensor(shape=shape), axis=[1])

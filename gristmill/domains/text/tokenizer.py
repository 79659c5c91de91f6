"""Texts to tokens and back: fitted on the texts to train on, and the same inside the exported model.

Token 0 is padding, 1 stands for all that is not in the vocabulary. What a token is depends on `level`: a word
(`words.py`), a character (`characters.py`) or a piece of a word (`subwords.py`). Everything runs in a graph.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from gristmill.domains.text import characters, subwords, words
from gristmill.domains.text.sequences import Sequences, starts_from_lengths
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.token_rules import Rules, batches_of
from gristmill.errors import DataError
from gristmill.util.table_io import read_document, write_document

NEEDS = {"subword": ["tensorflow_text"]}  # modules that a program imports before it loads a SavedModel, by level


class Tokenizer(Protocol):
    """A fitted tokenizer.

    A SavedModel that uses it must hold its `trackables`: `archive.track(resource)` for each.
    """

    rules: Rules
    tokens: list[str]  # by id; 0 is padding, "", and 1 unknown, "[UNK]"
    trackables: list[Any]

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Return the tokens of texts, (batch,): int32 (batch, any length)."""

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the texts that tokens, (batch, n), stand for: (batch,). Padding stands for nothing."""

    def write(self, folder: Path) -> None:
        """Write what is not in `tokenizer.json`."""


_LEVELS: dict[str, Any] = {"word": words, "character": characters, "subword": subwords}


def fit(texts: Sequence[str], settings: TokenSettings, lines: bool = False) -> Tokenizer:
    """Return the tokenizer of the most frequent tokens of texts; of equally frequent ones those that sort first.

    Args:
        texts: to train on.
        settings: what a token is, and how many there are at most.
        lines: whether line ends are tokens, as a network that writes needs them; else they are white space.

    Raises:
        DataError: the texts hold fewer than two tokens.
        RequestError: a vocabulary that does not fit the texts, or an extra of the package is missing.
    """
    check_not_blank(texts)
    made: Tokenizer = _LEVELS[settings.level].fit(texts, settings.vocabulary, Rules.of(settings, lines))
    return made


def check_not_blank(texts: Iterable[str]) -> None:
    """Raise `DataError` where the texts to train on hold nothing but white space."""
    if not any(text.strip() for text in texts):
        raise DataError("the training texts hold nothing but white space: there is nothing to learn from.")


def write(tokenizer: Tokenizer, folder: Path) -> None:
    """Write `tokenizer.json`, and the pieces of subwords in a file of their own."""
    write_document(folder / "tokenizer.json", {"rules": tokenizer.rules.document, "tokens": tokenizer.tokens})
    tokenizer.write(folder)


def read(folder: Path) -> Tokenizer:
    """Read what `write` wrote."""
    document = read_document(folder / "tokenizer.json")
    rules = Rules(**document["rules"])
    found: Tokenizer = _LEVELS[rules.level].read(folder, document["tokens"], rules)
    return found


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> Sequences:
    """Return the tokens of many texts, in parallel."""
    if not len(texts):
        return Sequences(np.zeros(0, np.int32), np.zeros(1, np.int64))
    made = [
        (tokens.flat_values.numpy(), tokens.row_lengths().numpy())
        for tokens in batches_of(texts).map(tokenizer.encode, num_parallel_calls=tf.data.AUTOTUNE)
    ]
    values, lengths = (np.concatenate(arrays) for arrays in zip(*made, strict=True))
    return Sequences(values, starts_from_lengths(lengths))


def pad_tokens(tokens: tf.RaggedTensor, width: int | None, pad: str, truncate: str) -> tf.Tensor:
    """Return tokens as int32 (batch, width), in a graph.

    Args:
        tokens: (batch, any length).
        width: of the result; of the longest sequence if None, which is then not cut.
        pad: the side on which short sequences are filled up with zeros, pre or post.
        truncate: the side on which long ones are cut, pre or post.
    """
    if width is not None:
        tokens = tokens[:, -width:] if truncate == "pre" else tokens[:, :width]
    if pad == "post":
        return tokens.to_tensor(shape=(None, width))
    return tf.reverse(tf.reverse(tokens, axis=[1]).to_tensor(shape=(None, width)), axis=[1])

"""What all levels of tokens share: how texts are read, and how often each token is in them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.special_tokens import SPECIAL
from gristmill.errors import DataError, short_repr

_FEWEST = 2  # tokens that can tell one text from another
_BATCH, _CHARACTERS = 1024, 1 << 20  # texts, and characters of them, that are read at a time


@dataclass(frozen=True)
class Rules:
    """How texts are read before they are cut into tokens."""

    level: str  # word, character or subword
    lower: bool
    punctuation: str  # of words: strip, separate or keep
    lines: bool  # whether line ends are tokens

    @classmethod
    def of(cls, settings: TokenSettings, lines: bool) -> "Rules":
        """Return the rules that settings ask for."""
        return cls(settings.level, settings.lower, settings.punctuation, lines)

    @property
    def document(self) -> dict[str, Any]:
        """The rules as they lie in a file."""
        return asdict(self)

    def cased(self, texts: tf.Tensor) -> tf.Tensor:
        """Return texts in small letters, of all alphabets, where the rules say so."""
        if not self.lower:
            return texts
        whole = tf.strings.regex_replace(texts, r"\x00", " ")  # else TensorFlow would drop what follows it
        return tf.strings.lower(whole, encoding="utf-8")


def most_frequent(texts: Sequence[str], size: int, split: Callable[[tf.Tensor], tf.RaggedTensor]) -> list[Any]:
    """Return the most frequent tokens, of equally frequent ones those that sort first.

    Args:
        texts: to count in, in parallel.
        size: number of tokens at most.
        split: texts (batch,) to their tokens, strings or numbers.
    """
    counted = batches_of(texts).map(lambda batch: _counted(split(batch)), num_parallel_calls=tf.data.AUTOTUNE)
    total: Counter[Any] = Counter()
    for tokens, counts in counted.as_numpy_iterator():
        total.update(dict(zip(tokens.tolist(), counts.tolist(), strict=True)))
    return ranked(total, size)


def ranked(counts: Mapping[Any, int], size: int) -> list[Any]:
    """Return the tokens with the highest counts, `size` at most, of equal ones those that sort first."""
    return sorted(counts, key=lambda token: (-counts[token], token))[:size]


def batches_of(texts: Sequence[str]) -> tf.data.Dataset:
    """Return texts, (batch,), in order: few enough at a time for what is made of them in parallel to fit the memory.

    A batch holds less than `_CHARACTERS` before its last text begins.
    """
    lengths = np.array([len(text) for text in texts], np.int64)
    rooms = (np.cumsum(lengths) - lengths) // _CHARACTERS * len(texts) + np.arange(len(texts)) // _BATCH
    begins = np.flatnonzero(np.diff(rooms, prepend=-1))
    every = tf.constant(list(texts), tf.string)
    bounds = tf.data.Dataset.from_tensor_slices((begins, np.append(begins, len(texts))[1:]))
    return bounds.map(lambda begin, end: every[begin:end])


def vocabulary(found: Sequence[str], size: int, rules: Rules) -> list[str]:
    """Return the tokens by id, from those that were found in the texts to train on; `size` was asked for.

    Raises:
        DataError: there are too few to tell one text from another.
    """
    if len(found) < _FEWEST:
        told = f"one token, {short_repr(found[0])}" if found else "no token"
        raise DataError(
            f"the training texts hold {told}, by preprocess.level = {rules.level!r}, vocabulary = {size} and "
            f"punctuation = {rules.punctuation!r}: there is nothing to learn from."
        )
    return [*SPECIAL, *found]


def _counted(tokens: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
    found = tf.unique_with_counts(tokens.flat_values, out_idx=tf.int64)
    return found.y, found.count

"""Rules and token counts that all levels of tokens share."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.domains.common.sampling import Positions, sample_positions
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.special_tokens import SPECIAL
from gristmill.errors import DataError, short_repr

logger = logging.getLogger(__name__)

_MIN_TOKENS = 2  # one token alone cannot distinguish texts
_MAX_BATCH_TEXTS, _MAX_BATCH_CHARACTERS = 1024, 1 << 20


@dataclass(frozen=True)
class Rules:
    """Rules by which texts are read and split into tokens."""

    level: str  # word, character or subword
    lower: bool
    punctuation: str  # of words: strip, separate or keep
    lines: bool  # whether line ends are tokens

    @classmethod
    def of(cls, settings: TokenSettings, lines: bool) -> "Rules":
        """Return the rules of settings."""
        return cls(settings.level, settings.lower, settings.punctuation, lines)

    def cased(self, texts: tf.Tensor) -> tf.Tensor:
        """Return texts in lower case, in all alphabets, where `lower` is set.

        Unicode is not normalised, since no operation of TensorFlow's core can: "é" as one character (NFC) and as two
        (NFD) are different tokens, except of subwords, which SentencePiece normalises.
        """
        if not self.lower:
            return texts
        whole = tf.strings.regex_replace(texts, r"\x00", " ")  # TensorFlow would drop the rest of the text otherwise
        return tf.strings.lower(whole, encoding="utf-8")


def most_frequent(texts: Sequence[str], size: int, split: Callable[[tf.Tensor], tf.RaggedTensor]) -> list[Any]:
    """Return up to `size` of the most frequent tokens, strings or numbers, that `split` finds in texts."""

    def count(batch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        counted = tf.unique_with_counts(split(batch).flat_values, out_idx=tf.int64)
        return counted.y, counted.count

    total: Counter[Any] = Counter()
    for tokens, counts in map_batches(count, texts):
        total.update(dict(zip(tokens.numpy().tolist(), counts.numpy().tolist(), strict=True)))
    return ranked(total, size)


def ranked(counts: Mapping[Any, int], size: int) -> list[Any]:
    """Return up to `size` tokens with the highest counts; of equal counts, those that sort first."""
    return sorted(counts, key=lambda token: (-counts[token], token))[:size]


def map_batches(function: Callable[[tf.Tensor], Any], texts: Sequence[str]) -> Iterator[Any]:
    """Yield the result of `function` for each batch of texts, in order.

    Several batches are processed in parallel by a compiled function. To compile it takes longer than a single batch.
    """
    batches = batches_of(texts)
    if len(batches) == 1:
        return map(function, batches)
    return iter(batches.map(function, num_parallel_calls=tf.data.AUTOTUNE))


def batches_of(texts: Sequence[str]) -> tf.data.Dataset:
    """Return batches of texts, (batch,), in order, small enough that several fit in memory when processed in parallel.

    A batch holds fewer than `_MAX_BATCH_CHARACTERS` before its last text begins.
    """
    lengths = np.array([len(text) for text in texts], np.int64)
    blocks = (np.cumsum(lengths) - lengths) // _MAX_BATCH_CHARACTERS
    groups = blocks * len(texts) + np.arange(len(texts)) // _MAX_BATCH_TEXTS
    begins = np.flatnonzero(np.diff(groups, prepend=-1))
    every = tf.constant(list(texts), tf.string)
    if len(begins) == 1:
        return tf.data.Dataset.from_tensors(every)
    bounds = tf.data.Dataset.from_tensor_slices((begins, np.append(begins, len(texts))[1:]))
    return bounds.map(lambda begin, end: every[begin:end])


def sample_texts(texts: Sequence[str], characters: int, labels: npt.NDArray[np.int64] | None = None) -> Positions:
    """Return the positions of texts to fit on: of more than so many characters a sample, which the log tells of."""
    some = sample_positions(len(texts), characters, labels, np.array([len(text) for text in texts], np.int64))
    if len(some) < len(texts):
        logger.info("fitted on a sample of %s of %s texts", f"{len(some):,}", f"{len(texts):,}")
    return some


def vocabulary(tokens: Sequence[str], size: int, rules: Rules) -> list[str]:
    """Return the tokens by id, from those found in the training texts; `size` is the requested maximum.

    Raises:
        DataError: there are fewer than two tokens.
    """
    if len(tokens) < _MIN_TOKENS:
        count = f"only one token, {short_repr(tokens[0])}," if tokens else "no token"
        raise DataError(
            f"the training texts contain {count} with preprocess.level = {rules.level!r}, vocabulary = {size} and "
            f"punctuation = {rules.punctuation!r}. Expected at least two: add texts or change these settings."
        )
    return [*SPECIAL, *tokens]

"""Texts as tokens of a vocabulary of their own, which any worker can make of some of them, and all of them together."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import tensorflow as tf

from gristmill.domains.text import characters, words
from gristmill.domains.text.dataset import read_tokens, write_tokens
from gristmill.domains.text.sequences import Sequences, starts_from_lengths
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.special_tokens import SPECIAL, UNKNOWN
from gristmill.domains.text.token_rules import Rules, batches_of, ranked
from gristmill.domains.text.tokenizer import Tokenizer
from gristmill.util.chunking import split_by_size
from gristmill.util.table_io import read_table, write_table

CHARACTERS_PER_CHUNK = 1 << 26  # characters: some seconds of work, of which a worker is worth its start

_LEVELS: dict[str, Any] = {"word": words, "character": characters}  # whose tokens are found in each text by itself
_KINDS: dict[str, Any] = {"word": pa.binary(), "character": pa.int32()}


@dataclass(frozen=True)
class TokenChunk:
    """Some texts."""

    tokens: list[Any]  # each that they hold, once: a word's bytes, a character's number
    counts: npt.NDArray[np.int64]  # how often each is in those to train on
    sequences: Sequences  # of places in `tokens`


def cut(characters: Iterable[int], settings: TokenSettings) -> list[slice]:
    """Return chunks of about `CHARACTERS_PER_CHUNK`; subwords are fitted on all texts at once, in one chunk."""
    return split_by_size(characters, CHARACTERS_PER_CHUNK if settings.level in _LEVELS else math.inf)


def encode(texts: Sequence[str], trained: int, settings: TokenSettings) -> TokenChunk:
    """Return texts as tokens; the first `trained` are to train on."""
    level, kind, rules = _LEVELS[settings.level], _KINDS[settings.level], Rules.of(settings, lines=False)
    batches = batches_of(texts).map(lambda batch: level.split(batch, rules), num_parallel_calls=tf.data.AUTOTUNE)
    made = [(pa.array(tokens.flat_values.numpy(), kind), tokens.row_lengths().numpy()) for tokens in batches]
    found = pa.concat_arrays([tokens for tokens, _ in made]).dictionary_encode()
    places, starts = found.indices.to_numpy(), starts_from_lengths(np.concatenate([lengths for _, lengths in made]))
    counts = np.bincount(places[: starts[trained]], minlength=len(found.dictionary))
    return TokenChunk(found.dictionary.to_pylist(), counts, Sequences(places, starts))


def join(parts: Iterable[TokenChunk], settings: TokenSettings) -> tuple[Tokenizer, Sequences]:
    """Return the tokenizer that is fitted on all texts to train on, and the tokens that it makes of all texts.

    Args:
        parts: the texts, in their order.
        settings: what a token is, and how many there are at most.

    Raises:
        DataError: the texts to train on hold fewer than two tokens.
    """
    parts, total = list(parts), Counter[Any]()
    for part in parts:
        total.update({token: count for token, count in zip(part.tokens, part.counts.tolist(), strict=True) if count})
    found = ranked(total, settings.vocabulary - len(SPECIAL))
    tokenizer: Tokenizer = _LEVELS[settings.level].tokenizer_of(
        found, settings.vocabulary, Rules.of(settings, lines=False)
    )
    ids = {token: number for number, token in enumerate(found, len(SPECIAL))}
    starts = starts_from_lengths(np.concatenate([part.sequences.lengths for part in parts]))
    values, end = np.empty(starts[-1], np.int32), 0
    for part in parts:
        begin, end = end, end + len(part.sequences.values)
        known = np.array([ids.get(token, UNKNOWN) for token in part.tokens], np.int32)
        values[begin:end] = known[part.sequences.values]
    return tokenizer, Sequences(values, starts)


def write(coded: TokenChunk, out: Path) -> None:
    """Write `tokens.parquet`, a list of places a text, and `counted.parquet`, `token` and `count` by place."""
    write_tokens(coded.sequences, out)
    write_table(out / "counted.parquet", pd.DataFrame({"token": coded.tokens, "count": coded.counts}))


def read(folder: Path) -> TokenChunk:
    """Read what `write` wrote."""
    table = read_table(folder / "counted.parquet")
    return TokenChunk(table["token"].tolist(), table["count"].to_numpy(), read_tokens(folder))

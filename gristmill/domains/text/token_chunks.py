"""Token chunks: a worker tokenizes some texts with a vocabulary of their own; `join` fits one tokenizer on all."""

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

from gristmill.domains.text.dataset import read_tokens, write_tokens
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.tokenizer import COUNTED, Rules, Tokenizer, Words, map_batches, of_tokens, ranked
from gristmill.domains.text.tokens import SPECIAL, UNKNOWN, Sequences, starts_from_lengths
from gristmill.util.chunking import split_by_size
from gristmill.util.table_io import read_table, write_table

CHARACTERS_PER_CHUNK = 1 << 26  # some seconds of work; less does not repay a worker's start-up


@dataclass(frozen=True)
class TokenChunk:
    """The tokens of some texts."""

    tokens: list[Any]  # the different tokens: bytes of words, code points of characters
    counts: npt.NDArray[np.int64]  # of each token in the training texts
    sequences: Sequences  # of positions in `tokens`


def split(texts: "pd.Series[str]", settings: TokenSettings) -> list[slice]:
    """Return chunks of texts that take some time each; subwords are fitted on all texts, in one chunk."""
    return split_by_size(texts.str.len(), CHARACTERS_PER_CHUNK if settings.level in COUNTED else math.inf)


def encode(texts: Sequence[str], training: int, settings: TokenSettings) -> TokenChunk:
    """Return the tokens of texts, of which the first `training` are training texts."""
    level, rules = COUNTED[settings.level], Rules.of(settings, lines=False)
    arrow = pa.binary() if level is Words else pa.int32()
    batches = map_batches(lambda batch: level.split(batch, rules), texts)
    arrays = [(pa.array(tokens.flat_values.numpy(), arrow), tokens.row_lengths().numpy()) for tokens in batches]
    distinct = pa.concat_arrays([tokens for tokens, _ in arrays]).dictionary_encode()
    positions = distinct.indices.to_numpy()
    starts = starts_from_lengths(np.concatenate([lengths for _, lengths in arrays]))
    counts = np.bincount(positions[: starts[training]], minlength=len(distinct.dictionary))
    return TokenChunk(distinct.dictionary.to_pylist(), counts, Sequences(positions, starts))


def join(chunks: Iterable[TokenChunk], settings: TokenSettings) -> tuple[Tokenizer, Sequences]:
    """Return the tokenizer fitted on the training texts of all chunks, and its tokens of all texts, in order."""
    chunks, total = list(chunks), Counter[Any]()
    for chunk in chunks:
        total.update({token: count for token, count in zip(chunk.tokens, chunk.counts.tolist(), strict=True) if count})
    tokens = ranked(total, settings.vocabulary - len(SPECIAL))
    tokenizer = of_tokens(tokens, settings.vocabulary, Rules.of(settings, lines=False))
    ids = {token: number for number, token in enumerate(tokens, len(SPECIAL))}
    starts = starts_from_lengths(np.concatenate([chunk.sequences.lengths for chunk in chunks]))
    values, end = np.empty(starts[-1], np.int32), 0
    for chunk in chunks:
        begin, end = end, end + len(chunk.sequences.values)
        known = np.array([ids.get(token, UNKNOWN) for token in chunk.tokens], np.int32)
        values[begin:end] = known[chunk.sequences.values]
    return tokenizer, Sequences(values, starts)


def write(chunk: TokenChunk, out: Path) -> None:
    """Write `tokens.parquet`, a list of positions for each text, and `counted.parquet`, `token` and `count`."""
    write_tokens(chunk.sequences, out)
    write_table(out / "counted.parquet", pd.DataFrame({"token": chunk.tokens, "count": chunk.counts}))


def read(folder: Path) -> TokenChunk:
    """Read a chunk that `write` wrote."""
    table = read_table(folder / "counted.parquet")
    return TokenChunk(table["token"].tolist(), table["count"].to_numpy(), read_tokens(folder))

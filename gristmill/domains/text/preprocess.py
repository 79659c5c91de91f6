"""Preprocess: texts split into parts and made sequences of tokens (`prepared.py`)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from gristmill.domains.common.classification.duplicates import find_duplicates
from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.common.classification.split import split
from gristmill.domains.text import token_chunks
from gristmill.domains.text import tokenizer as tokenizers
from gristmill.domains.text.dataset import Layout, write_layout, write_tokens
from gristmill.domains.text.sequences import Sequences
from gristmill.domains.text.settings import Length, Preprocess
from gristmill.domains.text.special_tokens import UNKNOWN
from gristmill.domains.text.tokenizer import Tokenizer, encode_texts
from gristmill.util.table_io import read_document, read_table, write_document, write_table


def preprocess(*, preprocess: Preprocess, ingest: Path, out: Path, chunks: Sequence[Path] = ()) -> dict[str, int]:
    """Split ingested texts, fit the tokenizer on those to train on, and write all as tokens.

    Writes
    - `tokens.parquet`: each text's `tokens`, cut to the layout's length and not filled up.
    - `index.parquet`: ingest's rows in the order of the tokens, part by part, without the text; with `tokens` (how many
      before cutting) and `characters`.
    - `layout.json`: form, classes and counts.
    - `tokenizer.json`, and `subwords.model` beside it: what makes tokens of texts.
    - `vocabulary.parquet`: `token` and its `count` in the texts to train on before cutting, by id.
    - `summary.json`: by part the share of tokens that are `unknown`, and how many texts were `cut` or are `empty`,
      without a token; and `repeated`, which parts share equal texts (`duplicates.py`).

    Args:
        preprocess: what a token is, the length and the parts.
        ingest: folder of the ingested texts.
        out: folder to write to.
        chunks: the folders that `chunk` filled, in their order, if others have made the tokens.

    Returns:
        Counts of texts in each part, of tokens of the vocabulary and of a sequence, and of texts of a part that are in
        another too, if there are any.

    Raises:
        DataError: a class is left without a text to train on, or the texts to train on hold fewer than two tokens.
        RequestError: settings that do not fit the texts or each other, or an extra of the package is missing.
    """
    rows, classes = _ordered(preprocess, ingest)
    texts = _texts(ingest).loc[rows.index]
    training = (rows["part"] == "train").to_numpy()
    if chunks:
        tokenizers.check_not_blank(texts[training])
        tokenizer, tokens = token_chunks.join(map(token_chunks.read, chunks), preprocess)
    else:
        tokenizer = tokenizers.fit(texts[training].tolist(), preprocess)
        tokens = encode_texts(tokenizer, texts.tolist())
    index = rows.assign(tokens=tokens.lengths, characters=texts.str.len())
    layout = Layout(
        level=preprocess.level,
        vocabulary=len(tokenizer.tokens),
        length=_length(tokens.lengths[training], preprocess.length),
        pad=preprocess.pad,
        truncate=preprocess.truncate,
        classes=classes,
        counts={part: int((index["part"] == part).sum()) for part in PARTS},
    )
    write_tokens(tokens.cut(layout.length, layout.truncate), out)
    write_table(out / "index.parquet", index)
    write_layout(layout, out)
    tokenizers.write(tokenizer, out)
    write_table(out / "vocabulary.parquet", vocabulary(tokenizer, tokens.between(0, layout.counts["train"])))
    found = find_duplicates(rows, texts)
    write_document(out / "summary.json", {**_by_part(tokens, layout), "repeated": found})
    counts = {f"{part}_texts": count for part, count in layout.counts.items()}
    counts |= {"vocabulary": layout.vocabulary, "length": layout.length}
    return counts | {f"{pair['part']}_texts_also_in_{pair['also_in']}": pair["count"] for pair in found}


def chunks(*, preprocess: Preprocess, ingest: Path) -> int:
    """Return in how many stretches the texts can be made tokens; arguments as of `preprocess`."""
    rows, _ = _ordered(preprocess, ingest)
    return len(token_chunks.cut(_texts(ingest).str.len()[rows.index], preprocess))


def chunk(*, preprocess: Preprocess, ingest: Path, number: int, out: Path) -> dict[str, int]:
    """Make tokens of a stretch of the texts, of a vocabulary of its own; arguments as of `preprocess`."""
    (rows, _), texts = _ordered(preprocess, ingest), _texts(ingest)
    own = rows[token_chunks.cut(texts.str.len()[rows.index], preprocess)[number]]
    trained = int((own["part"] == "train").sum())  # which come first
    token_chunks.write(token_chunks.encode(texts.loc[own.index].tolist(), trained, preprocess), out)
    return {"texts": len(own)}


def vocabulary(tokenizer: Tokenizer, training: Sequences) -> pd.DataFrame:
    """Return each `token` and its `count` in sequences, by id."""
    counts = np.bincount(training.values, minlength=len(tokenizer.tokens))
    return pd.DataFrame({"token": pd.Series(tokenizer.tokens, dtype="str"), "count": counts.astype(np.int64)})


def _ordered(preprocess: Preprocess, ingest: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return ingest's rows without the text, part by part, each in ingest's order, for training mixes them itself.

    The index is the place in ingest's table. The classes are the second that is returned.
    """
    names = pq.read_schema(ingest / "texts.parquet").names
    rows = read_table(ingest / "texts.parquet", [name for name in names if name != "text"])
    classes = read_document(ingest / "summary.json")["classes"]
    rows = rows.assign(part=split(rows, classes, preprocess))
    return pd.concat([rows[rows["part"] == part] for part in PARTS]), classes


def _texts(ingest: Path) -> "pd.Series[str]":
    return read_table(ingest / "texts.parquet", ["text"])["text"]


def _length(lengths: npt.NDArray[np.int64], asked: Length) -> int:
    """Return the tokens of a sequence at most: as asked for, or so many that this share of texts is not cut."""
    if asked >= 1:
        return int(asked)
    return max(1, int(np.sort(lengths)[math.ceil(asked * len(lengths)) - 1]))


def _by_part(tokens: Sequences, layout: Layout) -> dict[str, dict[str, Any]]:
    """Return for each part that has texts what became of them."""
    told: dict[str, dict[str, Any]] = {"unknown": {}, "cut": {}, "empty": {}}
    begin = 0
    for part, count in layout.counts.items():
        own = tokens.between(begin, begin + count)
        begin += count
        if count:
            told["unknown"][part] = float((own.values == UNKNOWN).sum() / max(1, len(own.values)))
            told["cut"][part] = int((own.lengths > layout.length).sum())
            told["empty"][part] = int((own.lengths == 0).sum())
    return told

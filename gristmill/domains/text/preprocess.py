"""Preprocess: texts split into parts and tokenized (`dataset.py`)."""

import math
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.parquet as pq

from gristmill.domains.common.classification.duplicates import describe_copies, examples_together, with_others
from gristmill.domains.common.classification.labelled import PARTS, TOGETHER
from gristmill.domains.common.classification.split import split
from gristmill.domains.text import token_chunks, vectors
from gristmill.domains.text import tokenizer as tokenizers
from gristmill.domains.text.dataset import Layout, write_layout, write_tokens
from gristmill.domains.text.sequences import Sequences
from gristmill.domains.text.settings import Length, Preprocess
from gristmill.domains.text.special_tokens import UNKNOWN
from gristmill.domains.text.tokenizer import Tokenizer, encode_texts
from gristmill.errors import RequestError
from gristmill.util.table_io import read_document, read_table, write_document, write_table

_MAX_WHOLE_TOKENS = 5_000  # of a text with `length = "whole"`; a batch of longer ones could fill the memory


def preprocess(
    *, preprocess: Preprocess, ingest: Path, out: Path, files: Sequence[Path] = (), chunks: Sequence[Path] = ()
) -> dict[str, int]:
    """Split ingested texts into parts, fit the tokenizer on the training set, and write all texts as tokens.

    Writes
    - `tokens.parquet`: the `tokens` of each text, truncated to the layout's length, without padding.
    - `index.parquet`: ingest's rows in the order of the tokens, by part, without the text; with `tokens` (their number
      before truncation) and `characters`, and the number of the group if several texts are kept together.
    - `layout.json`: form, classes and counts.
    - `tokenizer.json` and, for subwords, `subwords.model`: the tokenizer.
    - `vectors.npy`: the pretrained vector of each token, if `files` holds a file of them (`vectors.py`).
    - `vocabulary.parquet`: `token` and its `count` in the training set before truncation, by id.
    - `summary.json`: by part the share of `unknown` tokens, and the number of texts that were `cut` or are `empty`,
      without a token; and copies in one part, and in two, if the source's own parts share them (`duplicates.py`).

    If workers tokenized the texts, `chunks` are the folders that `chunk` filled, in order.

    Raises:
        DataError: a class has no training text, the training set contains fewer than two tokens, or the file of
            vectors has an unreadable line or none of the tokens.
        RequestError: settings do not fit the texts or each other, or an extra of the package is missing.
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
    summary, found = describe_copies(rows, _comparable(texts), preprocess.group, "texts")
    by_part = _by_part(tokens, layout)
    counts = {f"{part}_texts": count for part, count in layout.counts.items()}
    counts |= {"vocabulary": layout.vocabulary}
    if files:
        counts["tokens_with_a_vector"] = _write_vectors(files, preprocess, tokenizer, out)
    write_document(out / "summary.json", {**by_part, **summary})
    if truncated := sum(by_part["cut"].values()):
        counts[f"texts_truncated_at_{layout.length}_tokens"] = truncated
    return counts | found


def _write_vectors(files: Sequence[Path], settings: Preprocess, tokenizer: Tokenizer, out: Path) -> int:
    """Write the vectors of the vocabulary, and return how many of its tokens have one."""
    if len(files) > 1:
        raise RequestError(f"preprocess.vectors = {settings.vectors!r} names {len(files)} files. Expected one file.")
    found, count = vectors.read_file(files[0], tokenizer.tokens)
    vectors.write(found, out)
    return count


def chunks(*, preprocess: Preprocess, ingest: Path, files: Sequence[Path] = ()) -> int:
    """Return the number of chunks that can be tokenized in parallel; for the arguments, see `preprocess`."""
    rows, _ = _ordered(preprocess, ingest)
    return len(token_chunks.cut(_texts(ingest).str.len()[rows.index], preprocess))


def chunk(
    *, preprocess: Preprocess, ingest: Path, number: int, out: Path, files: Sequence[Path] = ()
) -> dict[str, int]:
    """Tokenize one chunk of the texts with its own vocabulary; for the arguments, see `preprocess`."""
    (rows, _), texts = _ordered(preprocess, ingest), _texts(ingest)
    of_chunk = rows[token_chunks.cut(texts.str.len()[rows.index], preprocess)[number]]
    training = int((of_chunk["part"] == "train").sum())  # these come first
    token_chunks.write(token_chunks.encode(texts.loc[of_chunk.index].tolist(), training, preprocess), out)
    return {"texts": len(of_chunk)}


def vocabulary(tokenizer: Tokenizer, training: Sequences) -> pd.DataFrame:
    """Return each `token` and its `count` in the training sequences, by id."""
    counts = np.bincount(training.values, minlength=len(tokenizer.tokens))
    return pd.DataFrame({"token": pd.Series(tokenizer.tokens, dtype="str"), "count": counts.astype(np.int64)})


def _ordered(preprocess: Preprocess, ingest: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return ingest's rows without the text, ordered by part, and the classes; the index is the row in ingest."""
    names = pq.read_schema(ingest / "texts.parquet").names
    rows = read_table(ingest / "texts.parquet", [name for name in names if name != "text"])
    classes = read_document(ingest / "summary.json")["classes"]
    groups = examples_together(rows, _comparable(_texts(ingest)), preprocess.group)
    parts = split(rows, classes, preprocess.validation, preprocess.test, preprocess.seed, groups)
    rows = rows.assign(part=parts, **({TOGETHER: groups} if with_others(groups).any() else {}))
    return pd.concat([rows[rows["part"] == part] for part in PARTS]), classes


def _texts(ingest: Path) -> "pd.Series[str]":
    return read_table(ingest / "texts.parquet", ["text"])["text"]


def _comparable(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Return texts such that copies are equal, whatever their capitals, white space and encoding of accents."""
    return texts.map(lambda text: " ".join(unicodedata.normalize("NFC", text.casefold()).split()))


def _length(lengths: npt.NDArray[np.int64], length: Length) -> int:
    """Return the maximum length: the requested number, or the length that this share of texts does not exceed."""
    if isinstance(length, int):
        return length
    if length == "whole":
        return max(1, min(_MAX_WHOLE_TOKENS, int(lengths.max())))
    return max(1, int(np.sort(lengths)[math.ceil(length * len(lengths)) - 1]))


def _by_part(tokens: Sequences, layout: Layout) -> dict[str, dict[str, Any]]:
    """Return unknown tokens, truncated texts and texts without tokens for each non-empty part."""
    summary: dict[str, dict[str, Any]] = {"unknown": {}, "cut": {}, "empty": {}}
    begin = 0
    for part, count in layout.counts.items():
        of_part = tokens.between(begin, begin + count)
        begin += count
        if count:
            summary["unknown"][part] = float((of_part.values == UNKNOWN).sum() / max(1, len(of_part.values)))
            summary["cut"][part] = int((of_part.lengths > layout.length).sum())
            summary["empty"][part] = int((of_part.lengths == 0).sum())
    return summary

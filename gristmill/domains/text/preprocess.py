"""Preprocess: texts split into parts and tokenized (`dataset.py`)."""

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.duplicates import describe_copies, examples_together, with_others
from gristmill.domains.common.classification.labelled import PARTS, TOGETHER
from gristmill.domains.common.classification.split import split
from gristmill.domains.text import token_chunks
from gristmill.domains.text import tokenizer as tokenizers
from gristmill.domains.text.dataset import Layout, write_layout, write_tokens, write_vectors
from gristmill.domains.text.settings import Preprocess
from gristmill.domains.text.tokenizer import Tokenizer, encode_texts
from gristmill.domains.text.tokens import SPECIAL, UNKNOWN, Sequences, Vectors
from gristmill.errors import DataError, RequestError
from gristmill.sources.file_content import open_unpacked
from gristmill.util.table_io import read_document, read_table, write_document, write_table

_MAX_WHOLE_TOKENS = 5_000  # of a text with `length = "whole"`; a batch of longer ones could fill the memory
_VECTOR_FORMAT = (
    "Expected one word and its numbers on each line, separated by spaces, as in files of GloVe and fastText."
)


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
    - `vectors.npy`: the pretrained vector of each token, if `files` holds a file of them (`read_vectors`).
    - `vocabulary.parquet`: `token` and its `count` in the training set before truncation, by id.
    - `summary.json`: by part the share of `unknown` tokens, and the number of texts that were `cut` or are `empty`,
      without a token; and copies in one part, and in two, if the source's own parts share them (`duplicates.py`).

    If workers tokenized the texts, `chunks` are the folders that `chunk` filled, in order.

    Raises:
        DataError: a class has no training text, the training set contains fewer than two tokens, or the file of
            vectors has an unreadable line or none of the tokens.
        RequestError: settings do not fit the texts or each other, or an extra of the package is missing.
    """
    # 1. Fit the tokenizer on the training set, and tokenize all texts.
    rows, texts, classes = _ordered(preprocess, ingest)
    training = (rows["part"] == "train").to_numpy()
    if chunks:
        tokenizers.check_not_blank(texts[training])
        tokenizer, tokens = token_chunks.join(map(token_chunks.read, chunks), preprocess)
    else:
        tokenizer = tokenizers.fit(texts[training].tolist(), preprocess)
        tokens = encode_texts(tokenizer, texts.tolist())
    # The maximum length is the requested number, or the length that this share of texts does not exceed.
    lengths, wanted = tokens.lengths[training], preprocess.length
    if isinstance(wanted, int):
        length = wanted
    elif wanted == "whole":
        length = max(1, min(_MAX_WHOLE_TOKENS, int(lengths.max())))
    else:
        length = max(1, int(np.sort(lengths)[math.ceil(wanted * len(lengths)) - 1]))
    layout = Layout(
        level=preprocess.level,
        vocabulary=len(tokenizer.tokens),
        length=length,
        pad=preprocess.pad,
        truncate=preprocess.truncate,
        classes=classes,
        counts={part: int((rows["part"] == part).sum()) for part in PARTS},
    )
    # 2. Write the tokens, and all that is needed to read them.
    write_tokens(tokens.truncated(layout.length, layout.truncate), out)
    write_table(out / "index.parquet", rows.assign(tokens=tokens.lengths, characters=texts.str.len()))
    write_layout(layout, out)
    tokenizers.write(tokenizer, out)
    write_table(out / "vocabulary.parquet", vocabulary(tokenizer, tokens.between(0, layout.counts["train"])))
    # 3. Count what is unknown, truncated, copied or without a vector.
    summary, copies = describe_copies(rows, _comparable(texts), preprocess.group, "texts")
    by_part = _by_part(tokens, layout)
    write_document(out / "summary.json", {**by_part, **summary})
    counts = {f"{part}_texts": count for part, count in layout.counts.items()} | {"vocabulary": layout.vocabulary}
    if len(files) > 1:
        raise RequestError(f"preprocess.vectors = {preprocess.vectors!r} names {len(files)} files. Expected one file.")
    if files:
        of_tokens, counts["tokens_with_a_vector"] = read_vectors(files[0], tokenizer.tokens)
        write_vectors(of_tokens, out)
    if truncated := sum(by_part["cut"].values()):
        counts[f"texts_truncated_at_{layout.length}_tokens"] = truncated
    return counts | copies


def chunks(*, preprocess: Preprocess, ingest: Path, files: Sequence[Path] = ()) -> int:
    """Return the number of chunks that can be tokenized in parallel; for the arguments, see `preprocess`."""
    _, texts, _ = _ordered(preprocess, ingest)
    return len(token_chunks.split(texts, preprocess))


def chunk(
    *, preprocess: Preprocess, ingest: Path, number: int, out: Path, files: Sequence[Path] = ()
) -> dict[str, int]:
    """Tokenize one chunk of the texts with its own vocabulary; for the arguments, see `preprocess`."""
    rows, texts, _ = _ordered(preprocess, ingest)
    of_chunk = token_chunks.split(texts, preprocess)[number]
    training = int((rows["part"].iloc[of_chunk] == "train").sum())  # these come first
    chunk_texts = texts.iloc[of_chunk].tolist()
    token_chunks.write(token_chunks.encode(chunk_texts, training, preprocess), out)
    return {"texts": len(chunk_texts)}


def vocabulary(tokenizer: Tokenizer, training: Sequences) -> pd.DataFrame:
    """Return each `token` and its `count` in the training sequences, by id."""
    counts = np.bincount(training.values, minlength=len(tokenizer.tokens))
    return pd.DataFrame({"token": pd.Series(tokenizer.tokens, dtype="str"), "count": counts.astype(np.int64)})


def _ordered(preprocess: Preprocess, ingest: Path) -> tuple[pd.DataFrame, "pd.Series[str]", list[str]]:
    """Return ingest's rows without the text, the texts, both ordered by part, and the classes."""
    rows = read_table(ingest / "texts.parquet")
    texts = rows.pop("text")
    summary = read_document(ingest / "summary.json")
    classes, rare = summary["classes"], summary.get("rare_classes", [])
    groups = examples_together(rows, _comparable(texts), preprocess.group)
    parts = split(rows, classes, preprocess.validation, preprocess.test, preprocess.seed, groups, rare=rare)
    rows = rows.assign(part=parts, **({TOGETHER: groups} if with_others(groups).any() else {}))
    rows = pd.concat([rows[rows["part"] == part] for part in PARTS])
    return rows, texts.loc[rows.index], classes


def _comparable(texts: "pd.Series[str]") -> "pd.Series[str]":
    """Return texts such that copies are equal, whatever their capitals, white space and encoding of accents."""
    return texts.map(lambda text: " ".join(unicodedata.normalize("NFC", text.casefold()).split()))


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


def read_vectors(file: Path, tokens: Sequence[str]) -> tuple[Vectors, int]:
    """Return the pretrained vector of each token, zeros for one that the file lacks, and the number of tokens found.

    The file has a word and its numbers on each line, as GloVe and fastText write it. It may be packed as `.gz`; only
    vectors of the tokens are held in memory. Its first line may be the header of fastText. Of several vectors of a
    word, the first counts.

    Raises:
        DataError: a line has more or fewer numbers than the first, or a vector that is no sequence of finite numbers;
            or the file has none of the tokens, or another number of words than its header announces.
    """
    ids = {token.encode(): number for number, token in enumerate(tokens) if number >= len(SPECIAL)}
    lowered = {token.lower() for token in ids}  # of ASCII letters, which is enough to notice other capitals
    with open_unpacked(file) as lines:
        vectors, known, cased = np.zeros((len(tokens), 0), np.float32), set[int](), ""
        for number, word, values in _vector_lines(file, lines):
            if not vectors.shape[1]:
                vectors = np.zeros((len(tokens), values.count(b" ") + 1), np.float32)
                _parse_numbers(file, number, values)
            token_id = ids.get(word)
            if token_id is not None and token_id not in known:
                vectors[token_id] = _parse_numbers(file, number, values)
                known.add(token_id)
            elif not known and not cased and word.lower() in lowered:
                cased = word.decode(errors="replace")
    if not known:
        remedy = ". Set preprocess.vectors to a file of words in the language of the texts."
        if cased:
            remedy = f", but of {cased}. Set preprocess.lower = {'false' if cased.lower() in tokens else 'true'}."
        raise DataError(f"{file}: has a vector of none of the {len(ids):,} tokens of the vocabulary{remedy}")
    return vectors, len(known)


def _vector_lines(file: Path, lines: Iterable[bytes]) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield number, word and values of each line; words that contain spaces, which no token does, are left out."""
    dimensions, words, announced, where = 0, 0, None, "on the lines before"
    for number, line in enumerate(lines, 1):
        word, _, values = line.strip().partition(b" ")
        if number == 1 and word.isdigit() and values.isdigit():
            announced, dimensions, where = int(word), int(values), "announced on line 1"
            continue
        if not word and not values:
            continue
        words += 1
        count = values.count(b" ") + bool(values)
        dimensions = dimensions or count
        if count > dimensions and not _is_number(values.partition(b" ")[0]):
            continue
        if count != dimensions or not count or b"\t" in word:
            problem = f"{count or 'no'} values after the word" + f", but {dimensions} {where}" * bool(dimensions)
            problem = "separated by tabs" if b"\t" in word else problem
            raise DataError(f"{file} line {number}: {problem}. {_VECTOR_FORMAT}")
        yield number, word, values
    if announced not in (None, words):
        raise DataError(f"{file}: has {words:,} words, but line 1 announces {announced:,}. Fetch the file again.")


def _parse_numbers(file: Path, number: int, values: bytes) -> list[float]:
    """Return the numbers of a line."""
    fields = values.split(b" ")
    wrong = next((field for field in fields if not _is_number(field)), None)
    if wrong is not None:  # an empty field is wrong too: two spaces in a row
        text = wrong.decode(errors="replace")
        raise DataError(f"{file} line {number}: {text!r} is not a finite number. {_VECTOR_FORMAT}")
    return [float(field) for field in fields]


def _is_number(field: bytes) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False

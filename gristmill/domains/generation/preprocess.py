"""Preprocess: texts split into three consecutive parts and tokenized (`dataset.py`)."""

from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np

from gristmill.domains.generation.dataset import PARTS, Layout, pieces, whole_text, write_layout, write_tokens
from gristmill.domains.generation.settings import Preprocess
from gristmill.domains.text import tokenizer as tokenizers
from gristmill.domains.text.preprocess import vocabulary
from gristmill.domains.text.tokenizer import encode_texts
from gristmill.domains.text.tokens import UNKNOWN, Sequences, starts_from_lengths
from gristmill.errors import DataError, RequestError
from gristmill.util.table_io import write_document, write_table

_PIECE_CHARACTERS = 1 << 16  # minimum length of the pieces of a stream that are encoded at a time
_MAX_SHIFT = 0.1  # share of the smallest part by which a split may move to the end of a line


def preprocess(*, preprocess: Preprocess, ingest: Path, out: Path) -> dict[str, int]:
    """Split the concatenated texts into parts, fit the tokenizer on the training set, and write all texts as tokens.

    The test set is the end of the text, preceded by the validation set; each begins with a line if one begins nearby.
    No token spans two parts. With windows, line ends are tokens; with prefixes, only lines of at least two tokens are
    used.

    Writes
    - `tokens.parquet`: all tokens, int32; with prefixes also `starts.npy`, int64, where lines begin.
    - `layout.json`: form and counts.
    - `tokenizer.json` and, for subwords, `subwords.model`: the tokenizer.
    - `vocabulary.parquet`: `token` and its `count` in the training set, by id.
    - `summary.json`: the share of `unknown` tokens by part.

    Raises:
        DataError: a part contains no example, or the training set fewer than two different tokens.
        RequestError: settings do not fit the texts or each other, or an extra of the package is missing.
    """
    # 1. Split the text into parts, and these into pieces of the stream, or lines.
    windows = preprocess.examples == "windows"
    parts = split_text(whole_text(ingest), preprocess)
    texts = {part: pieces(text, _PIECE_CHARACTERS) if windows else lines(text) for part, text in parts.items()}
    # 2. Fit the tokenizer, and tokenize all parts.
    tokenizer = tokenizers.fit(texts["train"], preprocess, lines=windows)
    tokens, characters = dict[str, Sequences](), dict[str, int]()
    for part, of_part in texts.items():
        encoded = encode_texts(tokenizer, of_part)
        kept = np.flatnonzero(encoded.lengths >= (1 if windows else 2))
        tokens[part] = encoded.taken(kept)
        characters[part] = sum(len(of_part[at]) for at in kept)
        _check_length(part, tokens[part], preprocess)
    # 3. Write the tokens, and all that is needed to read them.
    counts = {part: len(sequences.values) for part, sequences in tokens.items()}
    lines_of = {part: len(sequences) for part, sequences in tokens.items()}
    ends = [0, *accumulate((counts if windows else lines_of).values())]
    layout = Layout(
        level=preprocess.level,
        vocabulary=len(tokenizer.tokens),
        examples=preprocess.examples,
        length=preprocess.length,
        bounds=dict(zip(PARTS, pairwise(ends), strict=True)),
        tokens=counts,
        characters=characters,
    )
    write_tokens(np.concatenate([sequences.values for sequences in tokens.values()]), out)
    if not windows:
        lengths = np.concatenate([sequences.lengths for sequences in tokens.values()])
        np.save(out / "starts.npy", starts_from_lengths(lengths), allow_pickle=False)
    write_layout(layout, out)
    tokenizers.write(tokenizer, out)
    write_table(out / "vocabulary.parquet", vocabulary(tokenizer, tokens["train"]))
    unknown = {part: float((sequences.values == UNKNOWN).mean()) for part, sequences in tokens.items()}
    write_document(out / "summary.json", {"unknown": unknown})
    totals = {f"{part}_tokens": count for part, count in counts.items()} | {"vocabulary": layout.vocabulary}
    return totals if windows else totals | {f"{part}_lines": count for part, count in lines_of.items()}


def split_text(text: str, settings: Preprocess) -> dict[str, str]:
    """Return the text of each part."""
    training = 1 - settings.validation - settings.test
    if training <= 0:
        raise RequestError(
            f"preprocess.validation = {settings.validation} and preprocess.test = {settings.test} leave no text "
            "for training. Set smaller shares."
        )
    shift = _MAX_SHIFT * len(text) * min(training, settings.validation, settings.test)
    cuts = []
    for share in (training, 1 - settings.test):  # at the nearest beginning of a line within the shift, if there is one
        position = round(len(text) * share)
        before = text.rfind("\n", 0, position) + 1
        after = text.find("\n", max(0, position - 1)) + 1
        begins = [begin for begin in (before, after) if begin and abs(begin - position) <= shift]
        cuts.append(min(begins, key=lambda begin: abs(begin - position), default=position))
    first, second = cuts
    return dict(zip(PARTS, (text[:first], text[first:second], text[second:]), strict=True))


def lines(text: str) -> list[str]:
    """Return the lines of a text without line ends."""
    return text.removesuffix("\n").split("\n")


def _check_length(part: str, tokens: Sequences, settings: Preprocess) -> None:
    """Check that a part contains an example."""
    remedy = {
        "train": "smaller preprocess.validation and preprocess.test",
        "validation": "a larger preprocess.validation",
        "test": "a larger preprocess.test",
    }[part]
    if settings.examples == "prefixes":
        if not len(tokens):
            raise DataError(
                f"the {part} set has no line of two or more {settings.level}s, so there is nothing to predict. Add "
                f"text, or set {remedy}."
            )
    elif len(tokens.values) <= settings.length:
        raise DataError(
            f"the {part} set has {len(tokens.values)} {settings.level}s. Expected more than preprocess.length = "
            f"{settings.length}. Add text, or set a smaller preprocess.length or {remedy}."
        )

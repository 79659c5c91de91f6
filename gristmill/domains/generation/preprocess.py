"""Preprocess: texts cut into three parts, one after the other, and made tokens (`prepared.py`)."""

from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from gristmill.domains.generation.dataset import PARTS, Layout, whole_text, write_layout, write_tokens
from gristmill.domains.generation.settings import Preprocess
from gristmill.domains.text import tokenizer as tokenizers
from gristmill.domains.text.preprocess import vocabulary
from gristmill.domains.text.sequences import Sequences, starts_from_lengths
from gristmill.domains.text.special_tokens import UNKNOWN
from gristmill.domains.text.tokenizer import Tokenizer, encode_texts
from gristmill.errors import DataError, RequestError
from gristmill.util.table_io import write_document, write_table

_CHUNK = 1 << 16  # characters of a stream that are encoded at a time, and what it takes to the end of the line
_REACH = 0.1  # of the smallest part a cut may move, to stand at a line's end


@dataclass(frozen=True)
class _Made:
    """The tokens of a part: pieces of a stream, or lines."""

    tokens: Sequences
    characters: int


def preprocess(*, preprocess: Preprocess, ingest: Path, out: Path) -> dict[str, int]:
    """Cut the texts, end to end, into parts, fit the tokenizer on the first one, and write all as tokens.

    The last part is for test and the one before it for validation; each begins with a line where one ends nearby. No
    token reaches over a cut. Where examples are windows, line ends are tokens; where they are prefixes, only lines of
    two tokens or more count.

    Writes
    - `tokens.parquet`: all tokens, int32; and `starts.npy`, int64, where lines begin, where examples are prefixes.
    - `layout.json`: form and counts.
    - `tokenizer.json`, and `subwords.model` beside it: what makes tokens of texts.
    - `vocabulary.parquet`: `token` and its `count` in the text to train on, by id.
    - `summary.json`: `unknown`, the share of such tokens by part.

    Returns:
        Counts of tokens in each part and of the vocabulary, and of lines where examples are prefixes.

    Raises:
        DataError: a part holds less than one example, or the first one fewer than two different tokens.
        RequestError: settings that do not fit the texts or each other, or an extra of the package is missing.
    """
    windows = preprocess.examples == "windows"
    parts = split_text(whole_text(ingest), preprocess)
    pieces = {part: chunks(text) if windows else lines(text) for part, text in parts.items()}
    tokenizer = tokenizers.fit(pieces["train"], preprocess, lines=windows)
    made = {part: _made(texts, tokenizer, 1 if windows else 2) for part, texts in pieces.items()}
    for part, found in made.items():
        _refuse_short(part, found.tokens, preprocess)
    counts = {part: len(found.tokens.values) for part, found in made.items()}
    lines_of = {part: len(found.tokens) for part, found in made.items()}
    layout = Layout(
        level=preprocess.level,
        vocabulary=len(tokenizer.tokens),
        examples=preprocess.examples,
        length=preprocess.length,
        bounds=_bounds(counts if windows else lines_of),
        tokens=counts,
        characters={part: found.characters for part, found in made.items()},
    )
    write_tokens(np.concatenate([found.tokens.values for found in made.values()]), out)
    if not windows:
        lengths = np.concatenate([found.tokens.lengths for found in made.values()])
        np.save(out / "starts.npy", starts_from_lengths(lengths), allow_pickle=False)
    write_layout(layout, out)
    tokenizers.write(tokenizer, out)
    write_table(out / "vocabulary.parquet", vocabulary(tokenizer, made["train"].tokens))
    write_document(out / "summary.json", {"unknown": {part: _unknown(found.tokens) for part, found in made.items()}})
    told = {f"{part}_tokens": count for part, count in counts.items()} | {"vocabulary": layout.vocabulary}
    return told if windows else told | {f"{part}_lines": count for part, count in lines_of.items()}


def split_text(text: str, settings: Preprocess) -> dict[str, str]:
    """Return the parts of a text.

    Raises:
        RequestError: nothing is left to train on.
    """
    training = 1 - settings.validation - settings.test
    if training <= 0:
        raise RequestError(
            f"preprocess.validation = {settings.validation} and preprocess.test = {settings.test} leave no text to "
            "train on. Set smaller shares."
        )
    reach = _REACH * len(text) * min(training, settings.validation, settings.test)
    first, second = (_near(text, round(len(text) * share), reach) for share in (training, 1 - settings.test))
    return dict(zip(PARTS, (text[:first], text[first:second], text[second:]), strict=True))


def _near(text: str, place: int, reach: float) -> int:
    """Return where a line begins within reach of a place, the nearest one; else the place."""
    before, after = text.rfind("\n", 0, place) + 1, text.find("\n", max(0, place - 1)) + 1
    begins = [begin for begin in (before, after) if begin and abs(begin - place) <= reach]
    return min(begins, key=lambda begin: abs(begin - place), default=place)


def chunks(text: str) -> list[str]:
    """Return a text in pieces, which together are the text, each but the last one ending with a line."""
    made, begin = [], 0
    while begin < len(text):
        end = text.find("\n", begin + _CHUNK) + 1 or len(text)
        made.append(text[begin:end])
        begin = end
    return made


def lines(text: str) -> list[str]:
    """Return the lines of a text without their ends."""
    return text.removesuffix("\n").split("\n")


def _made(texts: list[str], tokenizer: Tokenizer, fewest: int) -> _Made:
    """Return the tokens of those texts that have so many."""
    tokens = encode_texts(tokenizer, texts)
    kept = np.flatnonzero(tokens.lengths >= fewest)
    return _Made(tokens.taken(kept), sum(len(texts[at]) for at in kept))


def _refuse_short(part: str, tokens: Sequences, settings: Preprocess) -> None:
    """Refuse a part that holds no example."""
    remedy = {
        "train": "smaller preprocess.validation and preprocess.test",
        "validation": "a larger preprocess.validation",
        "test": "a larger preprocess.test",
    }[part]
    if settings.examples == "prefixes":
        if not len(tokens):
            raise DataError(
                f"the {part} part has no line of two {settings.level}s or more: none could be told by those before it. "
                f"Add text, or set {remedy}."
            )
    elif len(tokens.values) <= settings.length:
        raise DataError(
            f"the {part} part has {len(tokens.values)} {settings.level}s, fewer than a window: preprocess.length = "
            f"{settings.length} and the one that follows. Add text, or set a smaller preprocess.length or {remedy}."
        )


def _bounds(counts: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Return where each part begins and ends, one after the other."""
    ends = list(accumulate(counts.values()))
    return {part: (end - count, end) for (part, count), end in zip(counts.items(), ends, strict=True)}


def _unknown(tokens: Sequences) -> float:
    return float((tokens.values == UNKNOWN).mean())

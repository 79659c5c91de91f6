"""Tokens that workers make of stretches of texts are those that are made of all at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.text import preprocess, token_chunks
from gristmill.domains.text.settings import Preprocess
from gristmill.errors import DataError
from gristmill.util.table_io import read_document, write_document, write_table

RANDOM = np.random.default_rng(0)
WORDS = ["film", "Ünder", "été", "don’t", "it's", "good!", "bad...", "(so)", "日本", "end"]
TEXTS = [" ".join(RANDOM.choice(WORDS, RANDOM.integers(1, 8))) + f" own{at}" for at in range(60)]
TEXTS[3], TEXTS[4], TEXTS[5] = (
    "",
    "a\0b \x1e c\u2028d",
    " \t\x85 " * 200,
)  # the last one alone: a stretch without a word


@pytest.fixture(autouse=True)
def some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a stretch be of three hundred characters, a dozen texts."""
    monkeypatch.setattr(token_chunks, "CHARACTERS_PER_CHUNK", 300)


def ingested(folder: Path, texts: list[str]) -> Path:
    """Return the folder of texts as ingest leaves them."""
    folder.mkdir()
    labels, part = np.arange(len(texts)) % 2, pd.Series([None] * len(texts), dtype="str")
    rows = {"id": [str(at) for at in range(len(texts))], "text": texts, "label": labels, "part": part}
    write_table(folder / "texts.parquet", pd.DataFrame(rows))
    write_document(folder / "summary.json", {"classes": ["bad", "good"]})
    return folder


def made_in_chunks(asked: dict[str, Any], folder: Path) -> tuple[int, dict[str, int]]:
    """Return how many chunks there were, and what the stage counted that joined them in `folder`."""
    chunks = [folder.with_name(f"chunk {number}") for number in range(preprocess.chunks(**asked))]
    for number, chunk in enumerate(chunks):
        chunk.mkdir()
        preprocess.chunk(**asked, number=number, out=chunk)
    folder.mkdir()
    return len(chunks), preprocess.preprocess(**asked, out=folder, chunks=chunks)


@pytest.mark.parametrize(
    "how",
    [
        {"vocabulary": 7},
        {"punctuation": "keep", "length": 3, "truncate": "pre", "lower": False},
        {"level": "character"},
    ],
    ids=str,
)
def test_stretches_joined_are_the_same_bytes_as_all_at_once(tmp_path: Path, how: dict[str, Any]) -> None:
    asked = {"preprocess": Preprocess(**how), "ingest": ingested(tmp_path / "ingest", TEXTS)}
    whole = tmp_path / "whole"
    whole.mkdir()

    alone = preprocess.preprocess(**asked, out=whole)

    count, together = made_in_chunks(asked, tmp_path / "joined")
    assert together == alone
    made = {path.name: path.read_bytes() for path in whole.iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "joined").iterdir()} == made
    assert count > 3  # the last ones without a text to train on
    unknown = read_document(whole / "summary.json")["unknown"]["test"]
    assert (unknown > 0) == (how != {"level": "character"})  # of words each test text has one of its own


def test_subwords_are_found_in_all_texts_at_once(tmp_path: Path) -> None:
    asked = {"preprocess": Preprocess(level="subword"), "ingest": ingested(tmp_path / "ingest", TEXTS)}

    assert preprocess.chunks(**asked) == 1


@pytest.mark.parametrize(
    ("level", "text"), [("word", "aa" * 50), ("character", " \t" * 50)], ids=["one token", "blank"]
)
def test_texts_without_anything_to_learn_from_are_refused_in_the_same_words(
    tmp_path: Path, level: str, text: str
) -> None:
    asked = {"preprocess": Preprocess(level=level), "ingest": ingested(tmp_path / "ingest", [text] * 12)}

    with pytest.raises(DataError) as alone:
        preprocess.preprocess(**asked, out=tmp_path)
    with pytest.raises(DataError) as joined:
        made_in_chunks(asked, tmp_path / "joined")

    assert str(joined.value) == str(alone.value)

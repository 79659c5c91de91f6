"""Prepared texts are the tokens of each text, in parts; the tokenizer has seen none but those to train on."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.common.classification.split import split
from gristmill.domains.text import dataset, preprocess
from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.settings import Preprocess
from gristmill.errors import DataError
from gristmill.util.table_io import read_document, read_table, write_document, write_table

CLASSES = ["bad", "good"]
WORDS = ["film", "plot", "it", "was", "so", "very", "the", "end"]


def reviews(count: int) -> pd.DataFrame:
    """Return texts of 2 to 12 words, the last of which tells the label; each but the first three holds its own word."""
    random = np.random.default_rng(7)
    rows = []
    for at in range(count):
        words = random.choice(WORDS, random.integers(1, 11)).tolist()
        rows.append(f"{' '.join(words)} own{at} {['awful', 'great'][at % 2]}")
    return pd.DataFrame(
        {
            "id": [f"row {at}" for at in range(count)],
            "text": rows,
            "label": np.arange(count) % 2,
            "part": pd.Series([None] * count, dtype="str"),
            "site": [f"site {at % 3}" for at in range(count)],
        }
    )


def ingested(texts: pd.DataFrame, folder: Path) -> Path:
    folder.mkdir()
    write_table(folder / "texts.parquet", texts)
    write_document(folder / "summary.json", {"classes": CLASSES})
    return folder


def preprocessed(texts: pd.DataFrame, place: Path, **settings: Any) -> tuple[Prepared, dict[str, int]]:
    out = place / "out"
    out.mkdir()
    ingest = ingested(texts, place / "ingest")
    counts = preprocess.preprocess(preprocess=Preprocess(**settings), ingest=ingest, out=out)
    return dataset.read(out), counts


@pytest.mark.parametrize("truncate", ["pre", "post"])
def test_each_text_has_its_own_tokens_cut(tmp_path: Path, truncate: str) -> None:
    texts = reviews(40)
    data, _ = preprocessed(texts, tmp_path, length=5, pad="pre", truncate=truncate, vocabulary=12)

    by_id, tokenizer = texts.set_index("id")["text"], data.tokenizer()
    for part in PARTS:
        rows, sequences = data.rows(part), data.sequences(part)
        for row, made in zip(rows.itertuples(), sequences, strict=True):
            whole = tokenizer.encode(tf.constant([by_id[row.id]]))[0].numpy().tolist()
            assert made.tolist() == (whole[-5:] if truncate == "pre" else whole[:5])
            assert (row.tokens, row.characters) == (len(whole), len(by_id[row.id]))


def test_every_text_is_in_the_part_that_it_was_split_into(tmp_path: Path) -> None:
    texts = reviews(40)
    data, counts = preprocessed(texts, tmp_path, seed=3)

    expected = dict(zip(texts["id"], split(texts, CLASSES, 0.1, 0.2, seed=3), strict=True))
    assert dict(zip(data.index["id"], data.index["part"], strict=True)) == expected
    assert data.index["part"].drop_duplicates().tolist() == list(PARTS)
    assert list(data.index.columns) == ["id", "label", "part", "site", "tokens", "characters"]
    assert data.labels("test").tolist() == [int(id_.split()[1]) % 2 for id_ in data.rows("test")["id"]]
    assert counts == {
        "train_texts": 28, "validation_texts": 4, "test_texts": 8, "vocabulary": len(data.vocabulary),
    }  # fmt: skip


def test_the_parts_of_the_source_stay(tmp_path: Path) -> None:
    texts = reviews(12).assign(part=["train"] * 8 + ["test"] * 4)

    data, _ = preprocessed(texts, tmp_path, validation=0)

    assert data.rows("test")["id"].tolist() == ["row 8", "row 9", "row 10", "row 11"]
    assert data.layout.counts == {"train": 8, "validation": 0, "test": 4}
    assert len(data.sequences("validation")) == 0


def test_the_vocabulary_is_that_of_the_texts_to_train_on(tmp_path: Path) -> None:
    data, _ = preprocessed(reviews(40), tmp_path, length=3)

    table = data.vocabulary
    own = {word for word in table["token"] if word.startswith("own")}
    assert own == {f"own{id_.split()[1]}" for id_ in data.rows("train")["id"]}
    assert table["token"].tolist() == data.tokenizer().tokens
    assert table["count"].sum() == data.rows("train")["tokens"].sum()  # before cutting
    assert table["count"][2:].is_monotonic_decreasing
    assert table["count"][:2].tolist() == [0, 0]


def test_unknown_cut_and_empty_texts_are_counted_by_part(tmp_path: Path) -> None:
    texts = pd.DataFrame(
        {
            "id": list("abcdef"),
            "text": ["good film", "bad film", "good good bad film", "!?", "good new thing", "bad"],
            "label": [1, 0, 1, 0, 1, 0],
            "part": pd.Series(["train", "train", "train", "train", "test", "test"], dtype="str"),
        }
    )

    preprocessed(texts, tmp_path, length=2, validation=0)

    assert read_document(tmp_path / "out/summary.json") == {
        "unknown": {"train": 0.0, "test": 0.5},
        "cut": {"train": 1, "test": 1},
        "empty": {"train": 1, "test": 0},
        "repeated": [],
        "copies": {"count": 0, "pairs": []},
    }


def test_equal_texts_of_two_parts_are_counted_and_named(tmp_path: Path) -> None:
    texts = reviews(12).assign(part=["train"] * 8 + ["test"] * 4)
    texts.loc[[0, 1], "text"] = "Un café, Straße", "a b"
    texts.loc[[9, 10, 11], "text"] = texts["text"][3], "UN CAFE\N{COMBINING ACUTE ACCENT},\tSTRASSE\n", "ab"

    _, counts = preprocessed(texts, tmp_path, validation=0)

    assert counts["test_texts_also_in_train"] == 2
    assert "duplicates kept in one set" not in counts
    assert read_document(tmp_path / "out/summary.json")["repeated"] == [
        {"part": "test", "also_in": "train", "count": 2, "pairs": [["row 9", "row 3"], ["row 10", "row 0"]]}
    ]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 2), (0.75, 3), (0.8, 9), (0.01, 1), ("whole", 9)])
def test_a_share_of_the_texts_to_train_on_is_not_cut(tmp_path: Path, share: float | str, expected: int) -> None:
    training = [" ".join(["a", *"b" * (length - 1)]) for length in (1, 2, 3, 9)]
    texts = pd.DataFrame(
        {
            "id": list("0123tu"),
            "text": [*training, "a " * 50, "b"],
            "label": [0, 1] * 3,
            "part": ["train"] * 4 + ["test"] * 2,
        }
    )

    data, counts = preprocessed(texts, tmp_path, length=share, validation=0)

    assert data.layout.length == expected
    assert counts[f"texts_truncated_at_{expected}_tokens"] == (np.array([1, 2, 3, 9, 50, 1]) > expected).sum()


@pytest.mark.parametrize("level", ["word", "character", "subword"])
def test_the_same_texts_and_settings_give_the_same_files(tmp_path: Path, level: str) -> None:
    written = []
    for place in (tmp_path / "first", tmp_path / "second"):
        place.mkdir()
        preprocessed(reviews(30), place, level=level, vocabulary=60, length=0.9)
        written.append({path.name: path.read_bytes() for path in (place / "out").iterdir()})

    assert written[0] == written[1]
    assert {"index.parquet", "layout.json", "tokenizer.json", "tokens.parquet"} <= set(written[0])


def test_the_tokens_are_a_table_of_lists(tmp_path: Path) -> None:
    data, _ = preprocessed(reviews(20), tmp_path)

    table = read_table(tmp_path / "out/tokens.parquet")
    assert np.concatenate(table["tokens"].to_list()).tolist() == [
        token for part in PARTS for token in data.sequences(part).values.tolist()
    ]


def test_copies_with_different_labels_are_counted_and_named(tmp_path: Path) -> None:
    texts = reviews(12)
    texts.loc[[4, 9], "text"] = texts["text"][1]
    texts.loc[[1, 4, 9], "label"] = [0, 0, 1]

    _, counts = preprocessed(texts, tmp_path)

    assert counts["copies with different labels"] == 3
    found = read_document(tmp_path / "out/summary.json")["disputed"]
    assert (found["count"], [sorted(ids) for ids in found["ids"]]) == (3, [["row 1", "row 4", "row 9"]])


def test_texts_without_a_token_to_train_on_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the training texts contain no token with "):
        preprocessed(reviews(10).assign(text=["?" * at for at in range(1, 11)]), tmp_path)


def test_equal_texts_and_groups_stay_in_one_part(tmp_path: Path) -> None:
    texts = reviews(60).assign(site=[f"site {at // 4}" for at in range(60)])
    texts.loc[59, "text"] = texts["text"][0]

    data, counts = preprocessed(texts, tmp_path, group="site")

    assert data.index.groupby("site")["part"].nunique().max() == 1
    assert data.index.set_index("id")["part"][["row 0", "row 59"]].nunique() == 1
    assert set(data.index["part"]) == set(PARTS)
    assert (counts["duplicates kept in one set"], counts["groups by site"]) == (1, 15)

"""An embedding is written as the Embedding Projector takes it, and its neighbours are those by the cosine."""

import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from gristmill.domains.text import projector
from gristmill.domains.text.projector import (
    EmbeddingTable,
    check_words_known,
    embedding_of,
    neighbours,
    project_2d,
    visible,
    write_projector,
)
from gristmill.errors import RequestError

TOKENS = ["", "[UNK]", "good", "great", "bad", "▁film", "\t"]
VECTORS = np.array([[9, 9], [1, 1], [1, 0], [2, 0.1], [-1, 0], [0, 1], [0, 0]], np.float32)

FOUND = EmbeddingTable("embedding", VECTORS, TOKENS)


def test_files_have_a_row_a_token_without_padding(tmp_path: Path) -> None:
    write_projector(FOUND, [0, 5, 4, 3, 2, 1, 1], tmp_path)

    assert (tmp_path / "vecs.tsv").read_text().splitlines() == [
        "1\t1",
        "1\t0",
        "2\t0.1",
        "-1\t0",
        "0\t1",
        "0\t0",
    ]
    meta = (tmp_path / "meta.tsv").read_text(encoding="utf-8").splitlines()
    assert meta == ["token\tcount", "[UNK]\t5", "good\t4", "great\t3", "bad\t2", "▁film\t1", "\\t\t1"]


@pytest.mark.parametrize(
    ("token", "seen"),
    [
        ("film", "film"),
        ("don't", "don't"),
        (" ", "␣"),
        ("\n", "\\n"),
        ("\u3000", "\\u3000"),
        ("a\tb", "a\\tb"),
        ("é", "é"),
        ("", ""),
    ],
)
def test_a_token_can_be_seen(token: str, seen: str) -> None:
    assert visible(token) == seen


def test_neighbours_are_those_of_the_smallest_angle_without_padding_unknown_and_itself() -> None:
    near = neighbours(FOUND, ["good"])

    assert near["neighbour"].tolist() == ["great", "▁film", "\t", "bad"]
    assert near["rank"].tolist() == [1, 2, 3, 4]
    assert near["similarity"].tolist() == pytest.approx([2 / np.hypot(2, 0.1), 0, 0, -1], abs=1e-6)


def test_no_more_neighbours_are_shown_than_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector, "NEAREST", 1)

    assert neighbours(FOUND, ["good", "bad"])[["token", "neighbour"]].to_numpy().tolist() == [
        ["good", "great"],
        ["bad", "▁film"],
    ]
    assert neighbours(FOUND, []).empty


@pytest.mark.parametrize(("word", "at"), [("good", 2), ("Good", 2), ("film", 5), ("FILM", 5), ("", None), ("x", None)])
def test_a_word_is_found_as_it_stands_as_a_piece_and_in_small_letters(word: str, at: int | None) -> None:
    assert FOUND.id_of(word) == at


@pytest.mark.parametrize(("word", "similar"), [("grate", "Similar: 'great'."), ("xyz", "No token is similar.")])
def test_a_word_that_is_not_there_is_refused(word: str, similar: str) -> None:
    said = f"evaluate.neighbours: '{word}' is not one of the 5 tokens of the vocabulary. {similar}"
    with pytest.raises(RequestError, match=f"^{re.escape(said)}$"):
        check_words_known(["good", word], FOUND)


def test_words_without_an_embedding_are_refused_and_no_words_are_not() -> None:
    check_words_known([], None)
    with pytest.raises(RequestError, match=r"^evaluate.neighbours: the network has no Embedding layer .*\.$"):
        check_words_known(["good"], None)


def test_places_are_the_principal_components_in_a_settled_direction() -> None:
    telling = pd.DataFrame({"id": [2, 3, 4, 5], "token": ["good", "great", "bad", "▁film"]})

    places, shares = project_2d(FOUND, telling)

    centred = VECTORS[2:6] - VECTORS[2:6].mean(axis=0)
    made = places[["x", "y"]].to_numpy()
    assert np.square(made).sum(axis=1) == pytest.approx(np.square(centred).sum(axis=1), rel=1e-5)  # two of two
    assert shares == pytest.approx((np.square(made).sum(axis=0) / np.square(centred).sum()).tolist(), rel=1e-5)
    assert sum(shares) == pytest.approx(1)
    assert places["token"].tolist() == telling["token"].tolist()
    assert made[1, 0] > made[2, 0]  # the direction that has most of an axis goes up with it


def test_one_dimension_and_one_token_have_a_place_too() -> None:
    telling = pd.DataFrame({"id": [2], "token": ["good"]})

    places, shares = project_2d(FOUND, telling)
    line, along = project_2d(
        EmbeddingTable("e", VECTORS[:, :1], TOKENS), pd.DataFrame({"id": [2, 3], "token": ["a", "b"]})
    )

    assert places[["x", "y"]].to_numpy().tolist() == [[0, 0]]
    assert shares == [0, 0]
    assert line[["x", "y"]].to_numpy() == pytest.approx(np.array([[-0.5, 0], [0.5, 0]]))
    assert along == [1, 0]


def test_the_embedding_of_the_tokens_is_found_in_a_network_within() -> None:
    tokens = keras.Input((None,), dtype="int32")
    place = keras.layers.Embedding(3, 2, name="places")(tokens)  # a row a place, not a token
    inner = keras.Model(tokens, keras.layers.Embedding(len(TOKENS), 2, name="words")(tokens) + 0 * place[:, :1])
    outer = keras.Input((None,), dtype="int32")

    found = embedding_of(keras.Model(outer, inner(outer)), TOKENS)

    assert found is not None
    assert found.layer == "words"
    assert found.vectors.shape == (7, 2)
    assert embedding_of(keras.Model(outer, keras.ops.cast(outer, "float32")), TOKENS) is None

"""Subwords are pieces that SentencePiece finds, the same every time; where it cannot, that is told."""

import importlib.util
from importlib.machinery import ModuleSpec

import pytest
import tensorflow as tf

from gristmill.domains.text import tokenizer as tokenizers
from gristmill.domains.text.tokenizer import Rules, sample_texts
from gristmill.errors import DataError, RequestError

TEXTS = ["The lowest lower slow slower slowest low.", "A slow show, the slowest of all shows!", "Below the tower."] * 3
READ = Rules("subword", lower=True, punctuation="strip", lines=False)
WRITTEN = Rules("subword", lower=False, punctuation="separate", lines=True)


def test_pieces_make_up_the_text_again() -> None:
    made = tokenizers.fit_subwords(TEXTS, 60, READ)

    ids = made.encode(tf.constant(["The  SLOWEST\ntower", ""]))

    assert made.tokens[:2] == ["", "[UNK]"]
    assert len(made.tokens) <= 60
    assert "".join(made.tokens[id_] for id_ in ids[0].numpy()) == "▁the▁slowest▁tower"
    assert len(ids[0]) < len("theslowesttower")
    assert ids[1].numpy().tolist() == []
    assert made.decode(ids.to_tensor()).numpy().tolist() == [b"the slowest tower", b""]


def test_line_ends_capitals_and_spaces_stay_where_texts_are_to_be_written() -> None:
    text = "The slow\n\n  show \n"
    made = tokenizers.fit_subwords([*TEXTS, text], 60, WRITTEN)

    ids = made.encode(tf.constant([text]))

    assert made.tokens[2] == "\n"
    assert ids[0].numpy().tolist().count(2) == 3
    assert made.decode(ids.to_tensor()).numpy()[0].decode() == text


def test_unknown_characters_are_token_1() -> None:
    made = tokenizers.fit_subwords(TEXTS, 60, READ)

    assert 1 in made.encode(tf.constant(["slow Ж"]))[0].numpy()


def test_the_same_texts_give_the_same_pieces_and_few_texts_fewer() -> None:
    first, second = (tokenizers.fit_subwords(TEXTS, 8000, READ) for _ in range(2))

    assert first.tokens == second.tokens
    assert 20 < len(first.tokens) < 200


def test_of_many_texts_some_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizers, "_MAX_SUBWORD_CHARACTERS", sum(map(len, TEXTS)) // 3 + 1)

    some = tokenizers.fit_subwords(TEXTS, 60, READ)

    assert some.tokens == tokenizers.fit_subwords([TEXTS[at] for at in sample_texts(TEXTS, 120)], 60, READ).tokens


def test_fewer_pieces_than_characters_are_refused() -> None:
    with pytest.raises(RequestError) as refused:
        tokenizers.fit_subwords(TEXTS, 9, READ)

    assert str(refused.value) == (
        "preprocess.vocabulary is 9, but the characters of the training texts alone take 17 subwords. Set more than 17."
    )


def test_texts_of_a_few_bytes_are_enough() -> None:
    assert tokenizers.fit_subwords(["ab", "ba"] * 3, 60, READ).tokens == ["", "[UNK]", "a", "b", "▁", "▁ba"]


def test_what_sentencepiece_cannot_do_is_told() -> None:
    with pytest.raises(DataError) as refused:
        tokenizers.fit_subwords(["\N{ZERO WIDTH SPACE}"], 60, READ)

    assert str(refused.value) == (
        "SentencePiece cannot find subwords: INTERNAL: src/trainer_interface.cc(576) [(all_chars_count) > (0)]. "
        "Set another preprocess.level, or add texts."
    )


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def find(name: str) -> ModuleSpec | None:
        return None if name == "tensorflow_text" else found(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)

    with pytest.raises(RequestError) as refused:
        tokenizers.fit_subwords(TEXTS, 60, READ)

    assert str(refused.value) == (
        "preprocess.level: 'subword' needs tensorflow_text, which is not installed. "
        "Run: pip install 'gristmill[subwords]'."
    )

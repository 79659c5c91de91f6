"""Texts are read some at a time, by number and by characters, and the most frequent tokens come first."""

import pytest
import tensorflow as tf

from gristmill.domains.text import tokenizer as tokenizers
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.tokenizer import Rules, batches_of, most_frequent, vocabulary
from gristmill.errors import DataError

WORDS = Rules("word", lower=True, punctuation="strip", lines=False)


def batches(texts: list[str]) -> list[list[str]]:
    return [[text.decode() for text in batch.tolist()] for batch in batches_of(texts).as_numpy_iterator()]


def test_few_texts_or_few_characters_are_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizers, "_MAX_BATCH_TEXTS", 3)
    monkeypatch.setattr(tokenizers, "_MAX_BATCH_CHARACTERS", 10)

    assert batches(["a", "b", "c", "d", "", "é", "f"]) == [["a", "b", "c"], ["d", "", "é"], ["f"]]
    assert batches(["a" * 25, "b", "c" * 10, "d"]) == [["a" * 25], ["b", "c" * 10], ["d"]]
    assert batches(["a" * 6, "b" * 6, "c" * 6]) == [["a" * 6, "b" * 6], ["c" * 6]]
    assert batches([]) == []


def test_counts_are_of_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["b a", "c b", "a", "d d d", "b"]
    at_once = most_frequent(texts, 3, tf.strings.split)
    monkeypatch.setattr(tokenizers, "_MAX_BATCH_CHARACTERS", 4)

    assert at_once == most_frequent(texts, 3, tf.strings.split) == [b"b", b"d", b"a"]


def test_small_letters_are_those_of_all_alphabets_where_the_rules_say_so() -> None:
    texts = tf.constant(["ÄÉ Ж", "a\0B"])

    assert [text.decode() for text in WORDS.cased(texts).numpy()] == ["äé ж", "a b"]
    assert Rules.of(TokenSettings(lower=False), lines=True).cased(texts) is texts


def test_padding_and_unknown_come_first() -> None:
    assert vocabulary(["a", "b"], 9, WORDS) == ["", "[UNK]", "a", "b"]
    with pytest.raises(DataError, match="contain only one token, 'a', with preprocess"):
        vocabulary(["a"], 9, WORDS)

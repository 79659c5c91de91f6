"""A tokenizer is fitted, kept, read again and exported, and gives the same tokens everywhere."""

from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from gristmill.domains.text import tokenizer
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.text_classifier import Padding
from gristmill.domains.text.tokenizer import Tokenizer, encode_texts
from gristmill.errors import DataError
from helpers.small_tokens import padded

TEXTS = ["The quick brown fox.", "It jumps over the lazy dog!", "Die Füchsin springt nicht.", "The end, the fox says."]
SHOWN = ["the FOX jumps", "", "Füchsin Ж!"]
LEVELS = pytest.mark.parametrize("level", ["word", "character", "subword"])


@LEVELS
@pytest.mark.parametrize("lines", [False, True])
def test_it_gives_the_same_tokens_when_read_again(level: str, lines: bool, tmp_path: Path) -> None:
    made = tokenizer.fit(TEXTS, TokenSettings(level=level, vocabulary=50), lines)
    tokenizer.write(made, tmp_path)

    again = tokenizer.read(tmp_path)

    assert (again.tokens, again.rules) == (made.tokens, made.rules)
    assert again.encode(tf.constant(SHOWN)).to_list() == made.encode(tf.constant(SHOWN)).to_list()


def test_exported_ones_take_raw_texts(tmp_path: Path) -> None:
    archive, expected = keras.export.ExportArchive(), {}
    for level in ("word", "character", "subword"):
        made = tokenizer.fit(TEXTS, TokenSettings(level=level, vocabulary=50))
        for resource in made.trackables:
            archive.track(resource)
        serve = partial(served, made)
        archive.add_endpoint(level, serve, [tf.TensorSpec((None,), tf.string)])
        expected[level] = serve(tf.constant(SHOWN)).numpy().tolist()
    archive.write_out(tmp_path / "saved", verbose=False)

    module = tf.saved_model.load(str(tmp_path / "saved"))
    for level, tokens in expected.items():
        assert getattr(module, level)(tf.constant(SHOWN)).numpy().tolist() == tokens


def served(made: Tokenizer, texts: tf.Tensor) -> tf.Tensor:
    return Padding(6, "pre").padded(made.encode(texts), full=True)


@LEVELS
def test_many_texts_are_encoded_as_each_alone(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer, "_MAX_BATCH_TEXTS", 100)
    made = tokenizer.fit(TEXTS, TokenSettings(level=level, vocabulary=50))
    texts = [*SHOWN, *TEXTS] * 50  # more than are encoded at a time

    tokens = encode_texts(made, texts)

    alone = [made.encode(tf.constant([text]))[0].numpy().tolist() for text in [*SHOWN, *TEXTS]]
    assert [one.tolist() for one in tokens] == alone * 50
    assert tokens.values.dtype == np.int32


def test_no_text_has_no_tokens() -> None:
    assert len(encode_texts(tokenizer.fit(TEXTS, TokenSettings()), [])) == 0


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("pad", ["pre", "post"])
@pytest.mark.parametrize("truncate", ["pre", "post"])
def test_padding_and_cutting_in_a_graph_are_those_of_the_sequences(width: int, pad: str, truncate: str) -> None:
    texts = ["the fox jumps", "", "dog", "the lazy dog"]
    made = tokenizer.fit(TEXTS, TokenSettings())
    graph = tf.function(lambda given: Padding(width, pad, truncate).padded(made.encode(given), full=True))

    expected = padded(encode_texts(made, texts).truncated(width, truncate), width, pad)

    assert graph(tf.constant(texts)).numpy().tolist() == expected


@pytest.mark.parametrize(
    ("texts", "settings", "message"),
    [
        (
            ["", " \n"],
            TokenSettings(),
            "the training texts contain only white space. Add texts.",
        ),
        (
            ["!!", "?"],
            TokenSettings(),
            "the training texts contain no token with preprocess.level = 'word', vocabulary = 10000 and punctuation = "
            "'strip'. Expected at least two: add texts or change these settings.",
        ),
        (
            ["aa", "a"],
            TokenSettings(level="character"),
            "the training texts contain only one token, 'a', with preprocess.level = 'character', vocabulary = 10000 "
            "and punctuation = 'strip'. Expected at least two: add texts or change these settings.",
        ),
        (
            ["to be or not to be"],
            TokenSettings(vocabulary=3),
            "the training texts contain only one token, 'be', with preprocess.level = 'word', vocabulary = 3 and "
            "punctuation = 'strip'. Expected at least two: add texts or change these settings.",
        ),
    ],
)
def test_a_vocabulary_of_one_is_refused(texts: list[str], settings: TokenSettings, message: str) -> None:
    with pytest.raises(DataError) as refused:
        tokenizer.fit(texts, settings)

    assert str(refused.value) == message

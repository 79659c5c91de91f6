"""A text model is complete in itself: what is read back gives the same from the same raw strings."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from gristmill.domains.text import text_model, tokenizer
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.text_model import Padding, TextModel, read

TEXTS = ["b a", "a a b c", "", "c", "zzz a"]


def first_token_model(padding: Padding, fixed: bool = False) -> TextModel:
    """Return a model whose probabilities tell the first token and the width of the batch."""
    tokens = keras.Input((padding.length if fixed else None,), dtype="int32")
    first = ops.reshape(ops.cast(tokens[:, 0], "float32"), (-1, 1))
    width = ops.cast(ops.sum(ops.ones_like(tokens), axis=1, keepdims=True), "float32")
    fitted = tokenizer.fit(["a a a b b c"], TokenSettings(vocabulary=5))
    return TextModel(fitted, padding, keras.Model(tokens, ops.concatenate([first, width], axis=1)))


@pytest.mark.parametrize("fixed", [True, False])
def test_texts_are_padded_to_the_length_or_to_the_longest_of_a_batch(fixed: bool) -> None:
    model = first_token_model(Padding(3), fixed)

    assert model.probabilities(TEXTS).tolist() == [[3, 3], [2, 3], [0, 3], [4, 3], [1, 3]]
    assert model.probabilities(["b a", "c"]).tolist() == [[3, 3 if fixed else 2], [4, 3 if fixed else 2]]


@pytest.mark.parametrize(("pad", "truncate", "first"), [("pre", "post", [0, 4]), ("post", "pre", [3, 3])])
def test_texts_are_padded_and_truncated_on_their_sides(pad: str, truncate: str, first: list[int]) -> None:
    made = first_token_model(Padding(2, pad, truncate)).probabilities(["b", "c b a"])

    assert made[:, 0].tolist() == first


def test_a_batch_without_a_token_is_one_wide() -> None:
    model = first_token_model(Padding(3))

    assert np.asarray(model.classify(tf.constant(["", "  "]))).tolist() == [[0, 1], [0, 1]]
    assert np.asarray(model.classify(tf.constant([], tf.string))).shape == (0, 2)


def test_many_texts_keep_their_order_whatever_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model = first_token_model(Padding(4))
    expected = model.probabilities(TEXTS)[:, 0].tolist()
    monkeypatch.setattr(text_model, "_MAX_BATCH_TEXTS", 2)
    monkeypatch.setattr(text_model, "_MAX_BATCH_CHARACTERS", 5)

    assert model.probabilities(TEXTS)[:, 0].tolist() == expected
    assert model.probabilities([]).shape == (0, 2)


def test_a_model_reads_back(tmp_path: Path) -> None:
    model = first_token_model(Padding(3, "pre", "pre"), fixed=True)

    model.write(tmp_path)

    assert read(tmp_path).padding == model.padding
    assert read(tmp_path).probabilities(TEXTS).tolist() == model.probabilities(TEXTS).tolist()
    assert {path.name for path in tmp_path.iterdir()} == {
        "architecture.json",
        "weights.npz",
        "tokenizer.json",
        "padding.json",
    }

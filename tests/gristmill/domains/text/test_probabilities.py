"""Probabilities and raw texts come in the order of the index, whatever they are batched by."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from gristmill.domains.text import train
from gristmill.domains.text.dataset import Prepared, texts_of
from gristmill.domains.text.layers import pooled
from gristmill.domains.text.train import probabilities_of
from gristmill.util.table_io import write_table
from helpers.small_tokens import LENGTH, VOCABULARY, padded, telling, write_tokens


@pytest.fixture(params=["pre", "post"])
def data(tmp_path: Path, request: pytest.FixtureRequest) -> Prepared:
    return write_tokens(tmp_path, {"train": telling(3), "test": telling(9, seed=1)}, ["no", "yes"], request.param)


def network(width: int | None) -> keras.Model:
    keras.utils.set_random_seed(1)
    tokens = keras.Input((width,), dtype="int32")
    features = keras.layers.Embedding(VOCABULARY, 4, embeddings_initializer="normal")(tokens)
    return keras.Model(tokens, keras.layers.Dense(2, "softmax")(pooled(features, tokens, "average")))


@pytest.mark.parametrize("width", [None, LENGTH])
def test_each_text_gets_what_it_gets_alone(data: Prepared, width: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "_BATCH_TEXTS", 4)
    model = network(width)

    made = probabilities_of(model, data, "test")

    alone = [
        model.predict_on_batch(np.array([tokens]))[0]
        for tokens in padded(data.sequences("test"), data.layout.length, data.layout.pad)
    ]
    assert made == pytest.approx(np.array(alone), abs=1e-6)
    assert np.ptp(made[:, 0]) > 0.01  # else a constant would do
    assert probabilities_of(model, data, "validation").shape == (0, 2)


def test_texts_of_like_length_are_shown_together(data: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "_BATCH_TEXTS", 3)
    model, widths = network(None), []
    real = model.predict_on_batch
    monkeypatch.setattr(model, "predict_on_batch", lambda tokens: (widths.append(tokens.shape[1]), real(tokens))[1])

    probabilities_of(model, data, "test")

    assert widths == np.sort(data.sequences("test").lengths)[2::3].tolist()


def test_raw_texts_are_found_by_their_ids(data: Prepared, tmp_path: Path) -> None:
    ids = data.index["id"][::-1]
    write_table(tmp_path / "texts.parquet", pd.DataFrame({"id": ids, "text": "text of " + ids}))

    made = texts_of(data, ["test", "validation"], tmp_path)

    assert made == {"test": [f"text of test {row}" for row in range(9)], "validation": []}

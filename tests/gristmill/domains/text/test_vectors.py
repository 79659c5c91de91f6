"""Vectors of the vocabulary are read from files of GloVe and fastText; a bad line is named with its number."""

import gzip
from pathlib import Path

import keras
import numpy as np
import pytest

from gristmill.domains.text import dataset, preprocess
from gristmill.domains.text.models import Shape
from gristmill.domains.text.models.conv import Conv
from gristmill.domains.text.models.embedding import Embedding
from gristmill.domains.text.models.recurrent import Gru
from gristmill.errors import DataError, RequestError

TOKENS = ["", "[UNK]", "good", "café", "rare"]
LINES = ["the 0.5 0.25", "good 1 -2", ". . . 7 7", "café 3e-1 4", "good 9 9"]
EXPECTED = np.array([[0, 0], [0, 0], [1, -2], [0.3, 4], [0, 0]], np.float32)


@pytest.mark.parametrize(("name", "header"), [("glove.txt", []), ("wiki.vec", ["5 2"]), ("wiki.vec.gz", ["5 2"])])
def test_the_vectors_of_the_tokens_are_read_with_or_without_a_header(
    tmp_path: Path, name: str, header: list[str]
) -> None:
    content = "".join(f"{line} \n" for line in [*header, *LINES]).encode()  # fastText ends lines with a space
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)

    made, found = preprocess.read_vectors(tmp_path / name, TOKENS)
    dataset.write_vectors(made, tmp_path)

    assert (made.dtype, made.tolist(), found) == (np.float32, EXPECTED.tolist(), 2)
    assert np.array_equal(np.load(tmp_path / dataset.VECTORS_FILE), EXPECTED)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["the 1 2", "good 1"], "line 2: 1 values after the word, but 2 on the lines before"),
        (["2 2", "the 1 2", "a 1 2 3"], "line 3: 3 values after the word, but 2 announced on line 1"),
        (["2 3", "the 1 2", "a 1 2"], "line 2: 2 values after the word, but 3 announced on line 1"),
        (["3 2", "the 1 2", "good 1 2"], "has 2 words, but line 1 announces 3. Fetch the file again"),
        (["the\t1\t2", "good\t1\t2"], "line 1: separated by tabs. Expected one word and its numbers on each line"),
        (["the 1 2", "good 1 x"], "line 2: 'x' is not a finite number"),
        (["the 1 2", "good 1  2", "rare 1 2 3"], "line 2: 3 values after the word"),
        (["the  1", "good 1 2"], "line 1: '' is not a finite number. Expected one word and its numbers"),
        (["good 1 nan"], "line 1: 'nan' is not a finite number"),
        (["good"], "line 1: no values after the word"),
        (["the 1 2"], "a vector of none of the 3 tokens of the vocabulary. Set preprocess.vectors to a file of words"),
        (["Good 1 2"], r"none of the 3 tokens .*, but of Good. Set preprocess.lower = false"),
        ([], "a vector of none of the 3 tokens"),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, lines: list[str], message: str) -> None:
    (tmp_path / "bad.txt").write_text("\n".join(lines))

    with pytest.raises(DataError, match=message):
        preprocess.read_vectors(tmp_path / "bad.txt", TOKENS)


@pytest.mark.parametrize("model", [Embedding(kind="embedding"), Conv(kind="conv"), Gru(kind="gru")])
@pytest.mark.parametrize("freeze", [False, True])
def test_a_network_begins_with_the_vectors_and_may_keep_them(model: Embedding | Conv | Gru, freeze: bool) -> None:
    network = model.model_copy(update={"freeze_vectors": freeze}).build(Shape(5, 9, 2, EXPECTED))

    (layer,) = (one for one in network.layers if isinstance(one, keras.layers.Embedding))
    assert np.array_equal(layer.embeddings, EXPECTED)
    assert layer.trainable is not freeze
    with pytest.raises(RequestError, match=r"Set preprocess\.vectors"):
        model.model_copy(update={"freeze_vectors": True}).build(Shape(5, 9, 2))

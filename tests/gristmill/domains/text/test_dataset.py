"""Texts come back part by part as they were written."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from gristmill.domains.text import dataset, tokenizer
from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.settings import TokenSettings
from gristmill.domains.text.train import gather_padded
from helpers.small_tokens import LENGTH, write_tokens

TEXTS = {"train": [[2, 3, 4], [], [5]], "test": [[6, 7]]}


@pytest.fixture(params=["pre", "post"])
def data(tmp_path: Path, request: pytest.FixtureRequest) -> Prepared:
    parts = {part: ([np.array(text, np.int32) for text in texts], [0] * len(texts)) for part, texts in TEXTS.items()}
    write_tokens(tmp_path, parts, ["no", "yes"], request.param)
    return dataset.read(tmp_path)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_part_has_its_own_tokens_in_order(data: Prepared, part: str) -> None:
    assert [tokens.tolist() for tokens in data.sequences(part)] == TEXTS.get(part, [])


def test_texts_are_padded_on_the_side_of_the_layout(data: Prepared) -> None:
    rows = gather_padded(data.sequences("train"), data.layout.pad, LENGTH)(tf.range(3, dtype=tf.int64)).numpy()

    assert rows.shape == (3, LENGTH)
    first = np.zeros(LENGTH, np.int32)
    first[slice(-3, None) if data.layout.pad == "pre" else slice(3)] = [2, 3, 4]
    assert rows[:2].tolist() == [first.tolist(), [0] * LENGTH]
    assert not len(data.sequences("validation"))


def test_the_layout_and_the_classes_are_those_written(data: Prepared) -> None:
    assert data.layout.counts == {"train": 3, "validation": 0, "test": 1}
    assert data.classes == data.layout.classes == ["no", "yes"]


def test_the_tokenizer_is_read_from_the_folder(data: Prepared) -> None:
    made = tokenizer.fit(["a b a"], TokenSettings())
    tokenizer.write(made, data.folder)

    assert data.tokenizer().tokens == ["", "[UNK]", "a", "b"]

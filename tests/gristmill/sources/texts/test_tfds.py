"""Texts of TFDS, written and read on disk as TFDS does."""

from pathlib import Path
from typing import Any

import pytest

from conftest import SHARED
from gristmill.errors import DataError
from gristmill.runs.locations import locate
from gristmill.sources.rows import Rows
from gristmill.sources.texts.tfds import Tfds

NAME = "tiny_reviews"


def write(data_dir: Path, splits: dict[str, list[tuple[bytes, int]]]) -> Path:
    import tensorflow_datasets as tfds

    features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=["pos", "neg"])}
    made = {
        split: [(at, {"text": text, "label": label}) for at, (text, label) in enumerate(examples)]
        for split, examples in splits.items()
    }
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        NAME, "1.0.0", tfds.features.FeaturesDict(features), made, data_dir=data_dir, disable_shuffling=True
    )
    return Path(builder.data_dir)


def read(data_dir: Path, columns: list[str] | None = None, **settings: Any) -> Rows:
    """Locate and read texts as a pipeline does."""
    source = Tfds.model_validate({"kind": "tfds", "name": NAME, "data_dir": str(data_dir)} | settings)
    paths = locate(source.folder, Path("/"), "test", Path("/")).files
    return source.read(paths, columns or list(source.columns), [])


def test_texts_come_in_order_with_their_classes_parts_and_ids(tmp_path: Path) -> None:
    folder = write(tmp_path, {"train": [(b"fine", 0), ("schlécht\n".encode(), 1)], "test": [(b"bad", 1)]})
    rows = read(tmp_path, test="test")
    assert rows.frame["text"].tolist() == ["fine", "schlécht\n", "bad"]
    assert rows.frame["label"].tolist() == ["pos", "neg", "neg"]
    assert rows.frame["label"].cat.categories.tolist() == ["pos", "neg"]  # TFDS's order, not the alphabet's
    assert rows.frame["part"].tolist() == ["train", "train", "test"]
    assert rows.frame["id"].tolist()[1] == f"{NAME}-train.tfrecord-00000-of-00001__1"
    assert rows.where(2) == f"{folder} row {NAME}-test.tfrecord-00000-of-00001__0"
    assert read(tmp_path, ["label"]).frame.columns.tolist() == ["label"]


def test_a_split_that_holds_an_example_twice_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, {"train": [(b"fine", 0), (b"bad", 1)]})
    with pytest.raises(DataError) as refused:
        read(tmp_path, train="train+train[1:]")
    assert str(refused.value) == (
        f"{folder}: {NAME}-train.tfrecord-00000-of-00001__1 is twice in train. Let the splits not overlap."
    )


def test_a_text_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path, {"train": [(b"fine", 0), (b"b\xffd", 1)]})
    with pytest.raises(DataError) as refused:
        read(tmp_path)
    assert str(refused.value) == (
        f"{folder} row {NAME}-train.tfrecord-00000-of-00001__1: not utf-8. Prepare the data set again."
    )


def test_another_column_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    folder = write(tmp_path, {"train": [(b"fine", 0), (b"bad", 1)]})
    with pytest.raises(DataError) as refused:
        read(tmp_path, ["text", "stars"])
    assert str(refused.value) == f"{folder}: no column 'stars'. Columns: 'text', 'label', 'part', 'id'."


@pytest.mark.shared_data
@pytest.mark.slow
def test_real_reviews() -> None:
    rows = read(SHARED / "tfds", name="imdb_reviews", config="plain_text", train="test[:100]")
    assert len(rows.frame) == 100
    assert rows.frame["label"].cat.categories.tolist() == ["neg", "pos"]
    assert rows.frame["text"].str.len().min() > 30

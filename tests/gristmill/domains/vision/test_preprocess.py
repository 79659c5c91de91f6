"""Prepared images are the photos themselves, decoded one by one, in parts and shards that hold all classes."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gristmill.domains.common.classification.held_out import learning_rows, learning_set
from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.common.classification.split import split
from gristmill.domains.vision import dataset, decode, preprocess
from gristmill.domains.vision.dataset import Prepared
from gristmill.domains.vision.decode import Header
from gristmill.domains.vision.settings import Preprocess
from gristmill.errors import DataError, RequestError
from gristmill.sources.photo import Photo
from gristmill.util.table_io import read_document, read_table
from helpers.given_photos import encoded, ingested, photos

GIVEN = photos({"a": 30, "b": 20, "c": 10}, place="garden")
BY_ID = {photo.id: photo for photo in GIVEN}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ingested photos."""
    folder = tmp_path_factory.mktemp("source") / "ingest"
    ingested(folder, GIVEN)
    return folder


def preprocessed(ingest: Path, out: Path, **settings: Any) -> Prepared:
    out.mkdir()
    preprocess.preprocess(preprocess=Preprocess.model_validate({"size": 6} | settings), ingest=ingest, out=out)
    return dataset.read(out)


@pytest.mark.parametrize(("fit", "channels"), [("stretch", 3), ("crop", 1), ("pad", 3)])
def test_pixels_are_those_of_each_photo(source: Path, tmp_path: Path, fit: str, channels: int) -> None:
    data = preprocessed(source, tmp_path / "out", size=[5, 7], fit=fit, channels=channels)

    for part in PARTS:
        rows, pixels = data.rows(part), data.pixels(part)
        assert pixels.shape == (len(rows), 5, 7, channels)
        for row, made in zip(rows.itertuples(), pixels, strict=True):
            assert np.array_equal(made, decode.decode_photo(BY_ID[row.id].encoded, data.layout)), row.id
            assert data.layout.classes[row.label] == BY_ID[row.id].label


def test_every_photo_is_in_the_part_that_it_was_split_into(source: Path, tmp_path: Path) -> None:
    data = preprocessed(source, tmp_path / "out", seed=3)

    index = read_table(source / "index.parquet")
    expected = dict(zip(index["id"], split(index, ["a", "b", "c"], 0.1, 0.2, seed=3), strict=True))
    assert dict(zip(data.index["id"], data.index["part"], strict=True)) == expected
    assert len(data.index) == len(GIVEN)
    assert data.index["part"].drop_duplicates().tolist() == list(PARTS)
    assert list(data.index.columns) == ["id", "label", "part", "width", "height", "format", "place"]
    assert data.layout.counts == {"train": 42, "validation": 6, "test": 12}


def test_counts_and_layout_say_what_was_made(source: Path, tmp_path: Path) -> None:
    settings = Preprocess(size=(5, 7), channels=1, fit="pad", encoding="jpeg", validation=0)

    counts = preprocess.preprocess(preprocess=settings, ingest=source, out=tmp_path)

    assert counts == {"train_images": 48, "validation_images": 0, "test_images": 12, "shards": 2}
    assert vars(dataset.read(tmp_path).layout) == {
        "height": 5,
        "width": 7,
        "channels": 1,
        "encoding": "jpeg",
        "fit": "pad",
        "classes": ["a", "b", "c"],
        "counts": {"train": 48, "validation": 0, "test": 12},
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "index.parquet", "layout.json", "summary.json", "test-00000-of-00001.tfrecord", "train-00000-of-00001.tfrecord",
    ]  # fmt: skip


def test_photos_of_equal_bytes_in_two_parts_are_counted_and_named(tmp_path: Path) -> None:
    train, test = photos({"a": 4, "b": 4}, "train"), photos({"a": 3, "b": 3}, "test")
    again = [replace(train[at], id=f"again {at}", part="test") for at in (6, 1)]
    twice = replace(train[0], id="train/twice")  # within a part: no score is wrong by that
    ingested(tmp_path / "ingest", [*train, twice, *test, *again, replace(test[0], id="shown", part="validation")])
    (tmp_path / "out").mkdir()

    counts = preprocess.preprocess(preprocess=Preprocess(size=(6, 6)), ingest=tmp_path / "ingest", out=tmp_path / "out")

    assert counts == {
        "train_images": 9, "validation_images": 1, "test_images": 8, "shards": 3,
        "test_images_also_in_train": 2, "test_images_also_in_validation": 1, "duplicates kept in one set": 1,
    }  # fmt: skip
    repeated = read_document(tmp_path / "out/summary.json")["repeated"]
    assert [found | {"pairs": sorted(found["pairs"])} for found in repeated] == [
        {
            "part": "test",
            "also_in": "train",
            "count": 2,
            "pairs": [["again 1", train[1].id], ["again 6", train[6].id]],
        },
        {"part": "test", "also_in": "validation", "count": 1, "pairs": [[test[0].id, "shown"]]},
    ]


def test_no_photo_lies_in_two_parts_where_all_differ(source: Path, tmp_path: Path) -> None:
    preprocessed(source, tmp_path / "out")

    summary = read_document(tmp_path / "out/summary.json")
    assert summary == {"repeated": [], "copies": {"count": 0, "pairs": []}}


def test_copies_and_groups_stay_in_one_part_and_in_one_fold(tmp_path: Path) -> None:
    given = [
        replace(photo, metadata={"person": f"person {at % 12}" if at % 4 else ""})
        for at, photo in enumerate(photos({"a": 30, "b": 30}))
    ]
    with Image.open(io.BytesIO(given[5].encoded)) as image:
        again = replace(given[5], id="again", encoded=encoded(image, "BMP"), metadata={"person": ""})
    counts = ingested(tmp_path / "ingest", [*given, again])
    data = preprocessed(tmp_path / "ingest", tmp_path / "out", group="person")

    index = data.index.set_index("id")
    known = index[index["person"] != ""]
    assert counts["exact or near duplicates"] == 1
    assert known.groupby("person")["part"].nunique().tolist() == [1] * 9
    assert index.loc["again", "part"] == index.loc[given[5].id, "part"]
    assert set(index["part"]) == set(PARTS)
    assert read_document(tmp_path / "out/summary.json") == {
        "repeated": [],
        "copies": {"count": 1, "pairs": [sorted(("again", given[5].id), key=list(index.index).index)[::-1]]},
    }
    rows = learning_rows(data)
    for fold in learning_set(data).folds(3):
        assert set(rows["person"][fold.fit]) & set(rows["person"][fold.predict]) <= {""}


def test_groups_that_the_sources_own_parts_share_are_refused(tmp_path: Path) -> None:
    given = [*photos({"a": 4, "b": 4}, "train", person="Ann"), *photos({"a": 3, "b": 3}, "test", person="Ann")]
    ingested(tmp_path / "ingest", given)

    found = r"1 value of column 'person', such as 'Ann', found in several of the sets that the source names\."
    with pytest.raises(DataError, match=rf"^preprocess\.group: {found}"):
        preprocess.chunks(preprocess=Preprocess(size=(6, 6), group="person"), ingest=tmp_path / "ingest")
    with pytest.raises(RequestError, match=r"preprocess.group: unknown column 'persn'. Did you mean 'person'\?"):
        preprocess.chunks(preprocess=Preprocess(size=(6, 6), group="persn"), ingest=tmp_path / "ingest")


def test_many_images_lie_in_several_shards_that_hold_all_classes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = preprocessed(source, tmp_path / "whole")
    monkeypatch.setattr(preprocess, "SHARD_BYTES", 11 * 6 * 6 * 3)  # eleven images

    data = preprocessed(source, tmp_path / "out")

    assert [path.name for path in data.shards("train")] == [f"train-{at:05}-of-00004.tfrecord" for at in range(4)]
    assert [len(data.shards(part)) for part in PARTS] == [4, 1, 2]
    assert data.index.equals(whole.index)
    for part in PARTS:
        assert np.array_equal(data.pixels(part), whole.pixels(part))
    for labels in np.array_split(data.labels("train"), 4):
        assert set(labels) == {0, 1, 2}


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_a_jpeg_in_a_shard_looks_like_the_photo(tmp_path: Path, channels: int) -> None:
    """Smooth photos, as noise is what JPEG does not keep."""
    ramp = np.arange(3 * 64 * 64).reshape(64, 64, 3) / 400
    waves = [Image.fromarray((128 + 90 * np.sin(ramp + at)).astype(np.uint8)) for at in range(12)]
    given = [Photo(str(at), encoded(wave), "ab"[at % 2]) for at, wave in enumerate(waves)]
    ingested(tmp_path / "ingest", given)

    raw, jpeg = (
        preprocessed(tmp_path / "ingest", tmp_path / encoding, size=32, channels=channels, encoding=encoding)
        for encoding in ("raw", "jpeg")
    )

    assert jpeg.index.equals(raw.index)
    for part in PARTS:
        assert np.abs(jpeg.pixels(part).astype(int) - raw.pixels(part)).mean() < 3


@pytest.mark.parametrize("encoding", ["raw", "jpeg"])
def test_equal_photos_give_equal_bytes(source: Path, tmp_path: Path, encoding: str) -> None:
    for name in ("one", "other"):
        preprocessed(source, tmp_path / name, encoding=encoding)
    preprocessed(source, tmp_path / "reseeded", encoding=encoding, seed=1)

    one, other, reseeded = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "other", "reseeded")
    )
    assert one == other
    assert one["train-00000-of-00001.tfrecord"] != reseeded["train-00000-of-00001.tfrecord"]


def test_the_sources_parts_are_kept(tmp_path: Path) -> None:
    ingested(tmp_path / "ingest", [*photos({"a": 10, "b": 10}, "train"), *photos({"a": 3, "b": 2}, "test")])

    data = preprocessed(tmp_path / "ingest", tmp_path / "out")

    assert data.layout.counts == {"train": 18, "validation": 2, "test": 5}
    assert all(id_.startswith("test/") for id_ in data.rows("test")["id"])


def test_a_photo_that_cannot_be_decoded_after_all_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "check_photo", lambda encoded, max_pixels: Header(8, 8, "PNG"))
    ingested(tmp_path / "ingest", [*photos({"a": 5, "b": 5}), Photo("odd", b"", "a")])

    with pytest.raises(DataError, match=r"photo 'odd': the file is empty\. Fix it or leave it out"):
        preprocessed(tmp_path / "ingest", tmp_path / "out")


def test_shards_that_others_wrote_are_those_that_it_writes_itself(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preprocess, "SHARD_BYTES", 6 * 6 * 3 * 10)
    preprocessed(source, tmp_path / "alone")
    settings = Preprocess(size=(6, 6))
    chunks = [tmp_path / f"chunk {number}" for number in range(preprocess.chunks(preprocess=settings, ingest=source))]
    counts = []
    for number, folder in enumerate(chunks):
        folder.mkdir()
        counts.append(preprocess.chunk(preprocess=settings, ingest=source, number=number, out=folder))
    (tmp_path / "joined").mkdir()
    monkeypatch.setattr(decode, "decode_photo", None)  # nothing is done again

    preprocess.preprocess(preprocess=settings, ingest=source, out=tmp_path / "joined", chunks=chunks)

    assert len(chunks) > 3
    assert sum(count["images"] for count in counts) == len(GIVEN)
    assert contents(tmp_path / "joined") == contents(tmp_path / "alone")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(("policy", "classes"), [("keep", ["a", "b", "c"]), ("drop", ["a", "c"])])
def test_the_only_photo_of_a_class_is_trained_on_or_dropped(tmp_path: Path, policy: str, classes: list[str]) -> None:
    counts = ingested(tmp_path / "in", photos({"a": 6, "b": 1, "c": 6}), rare_classes=policy)
    data = preprocessed(tmp_path / "in", tmp_path / "out")

    assert (
        counts == {"photos": 13, "classes": 3}
        if policy == "keep"
        else {"photos": 12, "classes": 2, "of_dropped_classes": 1}
    )
    assert data.layout.classes == classes
    assert {part: [classes[label] for label in set(data.rows(part)["label"])] for part in PARTS} == {
        "train": classes,
        "validation": ["a", "c"],
        "test": ["a", "c"],
    }

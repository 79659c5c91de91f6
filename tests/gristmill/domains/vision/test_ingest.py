"""Photos are written as they were found, in order; what cannot be used is left out, counted and told."""

import hashlib
import os
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image

from gristmill.domains.vision import ingest, shards
from gristmill.domains.vision.settings import Ingest
from gristmill.errors import DataError
from gristmill.sources.photo import Photo
from gristmill.util.table_io import read_document, read_table
from helpers.given_photos import Given, encoded, ingested, noise, photos

TEXT = Photo("a/notes.jpg", b"These are notes, not a photo.", "a")
CUT = Photo("b/cut.jpg", encoded(noise(40, 40), "JPEG")[:900], "b")
PIXEL = Photo("b/pixel.png", encoded(noise(1, 1)), "b")


def refusal(folder: Path, given: Sequence[Photo], classes: list[str] | None = None, **settings: Any) -> str:
    with pytest.raises(DataError) as refused:
        ingested(folder / "out", given, classes, **settings)
    return str(refused.value)


def test_bytes_are_written_as_they_were_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "SHARD_BYTES", 1_000)
    given = photos({"b": 4, "a": 3})

    counts = ingested(tmp_path / "out", given)

    index = read_table(tmp_path / "out/index.parquet")
    paths = sorted((tmp_path / "out").glob("*.tfrecord"))
    text = tf.io.FixedLenFeature([], tf.string)
    found = [
        tf.io.parse_single_example(record, {"id": text, "image": text, "label": text})
        for record in tf.data.TFRecordDataset([str(path) for path in paths])
    ]
    assert counts == {"photos": 7, "classes": 2}
    assert len(paths) > 1
    assert [
        (row["id"].numpy().decode(), row["image"].numpy(), row["label"].numpy().decode()) for row in found
    ] == [(photo.id, photo.encoded, photo.label) for photo in given]  # fmt: skip
    assert index["id"].tolist() == [photo.id for photo in given]
    for photo, place in zip(given, index[["shard", "offset", "size"]].itertuples(index=False), strict=True):
        assert shards.image_of(shards.read_record(tmp_path / "out", shards.ShardPosition(*place))) == photo.encoded


def test_the_index_tells_of_each_photo(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 8
    given = [
        Photo("1", encoded(noise(4, 6)), "b", "train", {"place": "garden"}),
        Photo("2", encoded(noise(4, 6), "JPEG", exif=exif), "a", None, {"camera": "old"}),
        Photo("3", encoded(noise(5, 5), "GIF"), "a", "test"),
        Photo("4", encoded(noise(3, 9), "WEBP"), "b", "test", sha256="of pixels"),
    ]

    ingested(tmp_path / "out", given)

    index = read_table(tmp_path / "out/index.parquet")
    hashes = [hashlib.sha256(photo.encoded).hexdigest() for photo in given[:3]]
    assert index["sha256"].tolist() == [*hashes, "of pixels"]
    told = index.drop(columns=["sha256", "picture", "shard", "offset", "size"]).astype(object)
    assert told.where(index.notna(), None).to_dict("list") == {
        "id": ["1", "2", "3", "4"],
        "label": [1, 0, 0, 1],
        "part": ["train", None, "test", "test"],
        "width": [6, 4, 5, 9],
        "height": [4, 6, 5, 3],
        "format": ["PNG", "JPEG", "GIF", "WEBP"],
        "place": ["garden", None, None, None],
        "camera": [None, "old", None, None],
    }


@pytest.mark.parametrize(("brightest", "warned"), [(4095, 1), (65535, 0)])
def test_photos_that_use_few_of_their_16_bits_are_reported(
    brightest: int, warned: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pixels = np.linspace(0, brightest, 64).astype(np.uint16).reshape(8, 8)

    ingested(tmp_path / "out", [*photos({"a": 2, "b": 2}), Photo("scan", encoded(Image.fromarray(pixels)), "a")])

    said = "1 photo of 16 bits with all values below 4096, which are nearly black, such as scan."
    assert [record.getMessage().startswith(said) for record in caplog.records] == [True] * warned


def test_a_column_of_the_source_named_as_one_of_ingests_own_is_called_otherwise(tmp_path: Path) -> None:
    ingested(tmp_path / "out", photos({"a": 2, "b": 2}, id="7", width="3", size="large", maker="x"))

    index = read_table(tmp_path / "out/index.parquet")
    assert index["id"].tolist() == ["all/a/0", "all/a/1", "all/b/0", "all/b/1"]
    own = index[["source_id", "source_width", "source_size", "maker"]].drop_duplicates()
    assert own.to_numpy().tolist() == [["7", "3", "large", "x"]]
    assert index["width"].tolist() == [10, 11, 10, 11]


def test_the_summary_counts_classes_parts_and_sizes(tmp_path: Path) -> None:
    given = [*photos({"cats": 3, "dogs": 2}, "train"), *photos({"dogs": 1, "cats": 1}, "test")]

    ingested(tmp_path / "out", [*given, replace(TEXT, label="cats")], corrupt=0.2)

    summary = read_document(tmp_path / "out/summary.json")
    assert summary["classes"] == ["cats", "dogs"]
    assert summary["counts"] == {"cats": 4, "dogs": 3}
    assert summary["parts"] == {"test": {"cats": 1, "dogs": 1}, "train": {"cats": 3, "dogs": 2}}
    assert summary["formats"] == {"PNG": 7}
    assert summary["sizes"]["height"] == {"min": 8, "quarter": 8, "median": 8, "three_quarters": 9, "max": 10}
    assert summary["skipped"] == [
        {
            "id": "a/notes.jpg",
            "reason": "not a JPEG, PNG, WebP, TIFF, BMP or GIF that can be read: it begins with 'These are no'",
        }
    ]


def test_classes_are_in_the_sources_order_or_sorted(tmp_path: Path) -> None:
    given = photos({"b": 2, "a": 3})

    ingested(tmp_path / "sorted", given)
    ingested(tmp_path / "own", given, classes=["b", "a"])

    for folder, classes, labels in (("sorted", ["a", "b"], [1, 1, 0, 0, 0]), ("own", ["b", "a"], [0, 0, 1, 1, 1])):
        assert read_document(tmp_path / folder / "summary.json")["classes"] == classes
        assert read_table(tmp_path / folder / "index.parquet")["label"].tolist() == labels


@pytest.mark.fault(26)
def test_what_cannot_be_used_is_left_out_and_its_neighbours_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sound = photos({"a": 10, "b": 10})
    given = [TEXT, *sound[:5], CUT, *sound[5:], PIXEL]

    counts = ingested(tmp_path / "out", given, corrupt=0.2)

    skipped = read_document(tmp_path / "out/summary.json")["skipped"]
    assert counts == {"photos": 20, "classes": 2, "skipped": 3}
    reason = skipped[0]["reason"]
    assert caplog.messages == [f"3 of 23 photos cannot be used and are left out. The first: a/notes.jpg: {reason}"]
    assert read_table(tmp_path / "out/index.parquet")["id"].tolist() == [photo.id for photo in sound]
    assert [photo["id"] for photo in skipped] == ["a/notes.jpg", "b/cut.jpg", "b/pixel.png"]
    assert [photo["reason"].split(" (")[0] for photo in skipped[1:]] == [
        "truncated or corrupt",
        "1 x 1 pixels, which show nothing",
    ]


@pytest.mark.fault(26)
def test_too_many_that_cannot_be_used_are_refused_by_name(tmp_path: Path) -> None:
    given = [*photos({"a": 10, "b": 6}), TEXT, CUT, PIXEL, replace(PIXEL, id="b/last.png")]

    assert ingested(tmp_path / "just enough", given, corrupt=0.2)["skipped"] == 4
    assert refusal(tmp_path, given, corrupt=0.19) == (
        "4 of 20 photos cannot be used, more than ingest.corrupt = 0.19 allows: "
        "a/notes.jpg: not a JPEG, PNG, WebP, TIFF, BMP or GIF that can be read: it begins with 'These are no'; "
        "b/cut.jpg: truncated or corrupt (image file is truncated (115 bytes not processed)); "
        "b/pixel.png: 1 x 1 pixels, which show nothing; …. Fix or remove them, or set ingest.corrupt higher."
    )


def test_a_photo_of_too_many_pixels_is_left_out(tmp_path: Path) -> None:
    given = [*photos({"a": 3, "b": 3}), Photo("large", encoded(noise(20, 20)), "a")]

    assert ingested(tmp_path / "out", given, corrupt=0.5, max_pixels=399) == {"photos": 6, "classes": 2, "skipped": 1}
    assert ingested(tmp_path / "more", given, max_pixels=400) == {"photos": 7, "classes": 2}


@pytest.mark.parametrize(
    ("given", "classes", "message"),
    [
        ([], None, "the source holds no photos. Expected JPEG, PNG, WebP, TIFF, BMP or GIF files."),
        ([TEXT, PIXEL], None, "b/pixel.png: 1 x 1 pixels, which show nothing. Fix or remove them."),
        (photos({"a": 5}), None, "all 5 photos are of one class, 'a': a classifier needs at least two"),
        (photos({"a": 5, "b": 1}), None, "1 class has fewer than 2 photos that can be used: 1 'b'. A classifier"),
        (photos({"a": 5, "b": 5}), ["a", "b", "c"], "classes without a photo that can be used: 'c'."),
        (photos({"a": 5, "b": 5}), ["a", "c"], "label 'b' is none of the source's 2 classes"),
        (
            photos({"a": 5, "b": 5}, width="3", source_width="4"),
            None,
            "photo 'all/a/0': the source's metadata has the columns 'width', which ingest writes itself and would "
            "rename to 'source_width', and 'source_width'. Rename one.",
        ),
    ],
)
def test_what_nothing_can_be_learnt_from_is_refused(
    given: list[Photo], classes: list[str] | None, message: str, tmp_path: Path
) -> None:
    assert message in refusal(tmp_path, given, classes, corrupt=1.0)


def test_one_photo_of_a_class_will_do_where_the_source_has_a_test_part(tmp_path: Path) -> None:
    given = [*photos({"a": 3, "b": 1}, "train"), *photos({"a": 1}, "test")]

    assert ingested(tmp_path / "out", given) == {"photos": 5, "classes": 2}


def test_equal_photos_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        ingested(tmp_path / name, [*photos({"a": 40, "b": 40}), TEXT], corrupt=0.1)

    one, other = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "other"))
    assert one == other
    assert sorted(one) == ["index.parquet", "photos-00000.tfrecord", "summary.json"]


def test_few_photos_are_in_memory_at_a_time(tmp_path: Path) -> None:
    seen: list[weakref.ref[Photo]] = []
    most = 0

    class Streaming(Given):
        def photos(self, paths: Sequence[Path]) -> Iterator[Photo]:
            nonlocal most
            for at in range(300):
                photo = Photo(str(at), encoded(noise(seed=at)), "ab"[at % 2])
                seen.append(weakref.ref(photo))
                most = max(most, sum(reference() is not None for reference in seen))
                yield photo

    assert ingest.ingest(source=Streaming([]), ingest=Ingest(), out=tmp_path)["photos"] == 300
    assert most <= 4 * (os.cpu_count() or 1) + 2


def test_a_source_that_breaks_off_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    class Broken(Given):
        def photos(self, paths: Sequence[Path]) -> Iterator[Photo]:
            yield from self.given
            raise DataError("photo 11: cannot be read")

    with pytest.raises(DataError, match="photo 11"):
        ingest.ingest(source=Broken(photos({"a": 5, "b": 5})), ingest=Ingest(), out=tmp_path)
    assert not (tmp_path / "index.parquet").exists()

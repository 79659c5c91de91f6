"""Photos in folders and in archives of folders."""

import os
import shutil
from pathlib import Path

import pytest

from conftest import SHARED
from gristmill.errors import DataError
from gristmill.runs.locations import locate
from gristmill.sources.images.folder import Folder
from gristmill.sources.photo import Photo
from helpers.small_photos import write_photos


def photos(place: Path | str, root: Path = Path("/"), **settings: bool) -> list[Photo]:
    """Locate and read photos as a pipeline does."""
    source = Folder(kind="folder", path=str(place), **settings)
    return list(source.photos(locate(source.path, root, "test", root, suffixes=source.suffixes).files))


def told(found: list[Photo]) -> list[tuple[str, str, str | None]]:
    return [(photo.id, photo.label, photo.part) for photo in found]


def test_the_folder_a_photo_lies_in_is_its_class(tmp_path: Path) -> None:
    written = write_photos(tmp_path / "animals", ["owl", "cat"], 2)
    found = photos(tmp_path / "animals")
    assert told(found) == [
        ("cat/0000.jpg", "cat", None),
        ("cat/0001.jpg", "cat", None),
        ("owl/0000.jpg", "owl", None),
        ("owl/0001.jpg", "owl", None),
    ]
    assert [photo.encoded for photo in found] == [path.read_bytes() for path in sorted(written)]
    assert Folder(kind="folder", path="x").class_names(written) is None


def test_the_folder_above_names_the_part(tmp_path: Path) -> None:
    for part in ("train", "Val", "valid", "validation", "TEST"):
        write_photos(tmp_path / part, ["cat"], 1)
    assert told(photos(tmp_path, parts=True)) == [
        ("TEST/cat/0000.jpg", "cat", "test"),
        ("Val/cat/0000.jpg", "cat", "validation"),
        ("train/cat/0000.jpg", "cat", "train"),
        ("valid/cat/0000.jpg", "cat", "validation"),
        ("validation/cat/0000.jpg", "cat", "validation"),
    ]
    assert {photo.part for photo in photos(tmp_path)} == {None}


def test_another_part_is_refused_before_a_photo_is_given(tmp_path: Path) -> None:
    write_photos(tmp_path / "a_first", ["cat"], 1)
    write_photos(tmp_path / "holdout", ["cat"], 1)
    (tmp_path / "a_first").rename(tmp_path / "Test")
    source = Folder(kind="folder", path="x", parts=True)
    with pytest.raises(DataError, match=r"/holdout/cat/0000\.jpg: the folder above its class is 'holdout'\. Expected"):
        next(source.photos(sorted(tmp_path.rglob("*.jpg"))))


def test_only_photos_count_and_their_suffix_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "cat/.hidden").mkdir(parents=True)
    wanted = ["1.jpg", "2.JPEG", "3.Png", "4.webp", "5.bmp", "6.gif", "7.tif"]
    for name in [*wanted, "notes.txt", "7.heic", ".8.jpg", ".hidden/9.jpg"]:
        (tmp_path / "cat" / name).write_bytes(b"x")
    assert [photo.id for photo in photos(tmp_path)] == [f"cat/{name}" for name in wanted]


def test_images_that_cannot_be_read_count_unless_a_photo_of_their_name_does(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    for name in ["1.jpg", "1.HEIC", "2.NEF", "3.avif", "3.txt"]:
        (tmp_path / "cat" / name).write_bytes(b"x")
    assert [photo.id for photo in photos(tmp_path)] == ["cat/1.jpg", "cat/2.NEF", "cat/3.avif"]


def test_folders_below_the_classes_are_metadata(tmp_path: Path) -> None:
    for tree in ("oak", "elm"):
        write_photos(tmp_path / "train" / "owl", [tree], 1)
    source = Folder(kind="folder", path="x", parts=True, subfolders="tree")
    found = list(source.photos(sorted(tmp_path.rglob("*.jpg"))))
    assert told(found) == [(f"train/owl/{tree}/0000.jpg", "owl", "train") for tree in ("elm", "oak")]
    assert [photo.metadata for photo in found] == [{"tree": "elm"}, {"tree": "oak"}]
    (tmp_path / "train/owl/elm/0000.jpg").rename(tmp_path / "train/owl/alone.jpg")
    with pytest.raises(DataError, match=r"/train/owl/alone\.jpg: lies less deep than other photos"):
        next(source.photos(sorted(tmp_path.rglob("*.jpg"))))


@pytest.mark.parametrize("form", ["zip", "tar", "gztar"])
def test_an_archive_gives_what_its_folder_gives(tmp_path: Path, form: str) -> None:
    write_photos(tmp_path / "animals", ["owl", "cat"], 2)
    wanted = photos(tmp_path / "animals")
    archive = shutil.make_archive(str(tmp_path / "packed"), form, tmp_path, "animals")
    assert photos(archive) == wanted
    assert photos(shutil.make_archive(str(tmp_path / "bare"), form, tmp_path / "animals")) == wanted


def test_several_archives_are_parts_or_classes_by_their_names(tmp_path: Path) -> None:
    for name in ("train", "validation"):
        write_photos(tmp_path / name, ["cat"], 1)
        shutil.make_archive(str(tmp_path / "packed" / name), "zip", tmp_path / name)
        shutil.make_archive(str(tmp_path / "classes" / name), "zip", tmp_path / name / "cat")
    assert told(photos("packed/*.zip", tmp_path, parts=True)) == [
        ("train/cat/0000.jpg", "cat", "train"),
        ("validation/cat/0000.jpg", "cat", "validation"),
    ]
    assert told(photos("classes", tmp_path)) == [
        ("train/0000.jpg", "train", None),
        ("validation/0000.jpg", "validation", None),
    ]


def test_an_archive_without_photos_is_named(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/1.txt").write_text("x")
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "texts")
    with pytest.raises(DataError, match=rf"^{archive}: no photo in it"):
        photos(archive)


def test_ids_do_not_depend_on_where_the_folder_lies(tmp_path: Path) -> None:
    write_photos(tmp_path / "here/animals", ["owl", "cat"], 1)
    os.renames(tmp_path / "here/animals", tmp_path / "there/deeper/pets")
    assert [photo.id for photo in photos(tmp_path / "there/deeper/pets")] == ["cat/0000.jpg", "owl/0000.jpg"]
    assert [photo.id for photo in photos(tmp_path / "there/deeper/pets/cat")] == ["cat/0000.jpg"]


@pytest.mark.shared_data
def test_real_photos_of_many_sizes() -> None:
    found = photos(SHARED / "data/ants_bees")
    assert len({photo.id for photo in found}) == 200
    assert sum(photo.label == "ants" for photo in found) == 100
    assert all(photo.encoded.startswith(b"\xff\xd8") for photo in found)

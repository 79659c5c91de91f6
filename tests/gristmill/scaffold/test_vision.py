"""What is proposed for photos: in folders, archives, lists and arrays, small and large, grey and broken ones."""

import csv
import math
import shutil
import sys
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from gristmill.errors import DataError, RequestError
from gristmill.scaffold import vision
from gristmill.scaffold.choose_domain import choose_domain
from gristmill.scaffold.data import data_at
from gristmill.scaffold.proposal import Proposal
from gristmill.scaffold.vision import propose


def proposed(place: Path, project: Path, target: str | None = None) -> Proposal:
    return propose(data_at(str(place), project), target)


def write_photos(
    folder: Path, *classes: str, count: int = 4, size: tuple[int, int] = (120, 90), mode: str = "RGB"
) -> None:
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for at in range(count):
            Image.new(mode, (size[0] + at, size[1]), 20 * number).save(folder / name / f"{at}.png")


def test_folders_name_the_classes(tmp_path: Path) -> None:
    write_photos(tmp_path / "pets", "cat", "dog")
    draft = proposed(tmp_path / "pets", tmp_path)

    assert draft.values()["source"] == {"kind": "folder", "path": "pets"}
    assert draft.summary == "pets: 8 photos: 4 'cat', 4 'dog'"
    assert draft.values()["preprocess"] == {"size": 88, "validation": 0.1, "test": 0.2}
    assert draft.values()["augment"] == {"horizontal_flip": True}
    assert draft.values()["model"] == {"kind": "auto", "preset": "quick"}
    assert "train" not in draft.values()  # candidates have settings of their own


def test_two_spellings_of_a_class_are_told(tmp_path: Path) -> None:
    write_photos(tmp_path / "pets", "cat", "Cat", "dog")

    assert proposed(tmp_path / "pets", tmp_path).notes == [
        "Classes that differ only in case or spaces: 'Cat'/'cat'. Move the photos into one folder; otherwise they are "
        "different classes."
    ]


@pytest.mark.parametrize(("count", "side"), [(2, 280), (3, 224), (5, 128)])
def test_many_photos_are_smaller(count: int, side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision, "_MAX_SIDES", ((4, 288), (8, 224), (math.inf, 128)))  # photos of both classes, pixels
    write_photos(tmp_path / "pets", "cat", "dog", count=count, size=(300, 280))

    assert proposed(tmp_path / "pets", tmp_path).values()["preprocess"]["size"] == side


@pytest.mark.parametrize("place", ["pets", "pets.npz"])
def test_no_column_can_be_asked_for_where_there_is_no_list(tmp_path: Path, place: str) -> None:
    write_photos(tmp_path / "pets", "cat", "dog")
    np.savez(tmp_path / "pets.npz", images=np.zeros((8, 9, 9), np.uint8), labels=np.array([0, 1] * 4))
    with pytest.raises(RequestError, match=r"^--target kind: there are no columns here, the .*\. Leave --target out"):
        proposed(tmp_path / place, tmp_path, "kind")


def test_folders_above_the_classes_name_the_parts(tmp_path: Path) -> None:
    write_photos(tmp_path / "pets", "train/cat", "train/dog", "val/cat", "val/dog")
    draft = proposed(tmp_path / "pets", tmp_path)

    assert draft.values()["source"] == {"kind": "folder", "path": "pets", "parts": True}
    assert draft.values()["preprocess"].keys() == {"size", "test"}  # a test set is drawn, a validation set there


def test_folders_that_repeat_below_others_are_groups(tmp_path: Path) -> None:
    people = ("ann", "bob", "eve")
    write_photos(tmp_path / "faces", *(f"{face}/{name}" for face in ("smile", "neutral") for name in people))
    draft = proposed(tmp_path / "faces", tmp_path)

    assert draft.values()["source"] == {"kind": "folder", "path": "faces", "subfolders": "subfolder"}
    assert draft.values()["preprocess"]["group"] == "subfolder"
    assert draft.summary == "faces: 24 photos: 12 'neutral', 12 'smile'"
    assert "'ann' is in 'neutral' and 'smile'" in str(draft.tables["source"])


def test_classes_that_repeat_in_more_folders_than_there_are_classes_stay_classes(tmp_path: Path) -> None:
    write_photos(tmp_path / "pets", *(f"{day}/{name}" for day in ("mon", "tue", "wed") for name in ("cat", "dog")))

    assert proposed(tmp_path / "pets", tmp_path).values()["source"] == {"kind": "folder", "path": "pets"}


def test_groups_that_the_parts_divide_are_not_kept_together(tmp_path: Path) -> None:
    folders = [f"{part}/{face}/{name}" for part in ("train", "test") for face in "ab" for name in ("ann", "bob", "eve")]
    write_photos(tmp_path / "faces", *folders)
    draft = proposed(tmp_path / "faces", tmp_path)

    assert draft.values()["source"]["subfolders"] == "subfolder"
    assert draft.values()["source"]["parts"]
    assert "group" not in draft.values()["preprocess"]


@pytest.mark.parametrize("part", ["train", "test"])
def test_one_part_alone_is_cut_into_all(tmp_path: Path, part: str) -> None:
    write_photos(tmp_path / "pets" / part, "cat", "dog")
    draft = proposed(tmp_path / "pets" / part, tmp_path)

    assert draft.values()["source"] == {"kind": "folder", "path": f"pets/{part}"}
    assert draft.values()["preprocess"].keys() == {"size", "validation", "test"}


def test_small_grey_photos_keep_their_size(tmp_path: Path) -> None:
    write_photos(tmp_path / "signs", "a", "b", count=1, size=(24, 16), mode="L")
    for name in "ab":
        shutil.copy(tmp_path / "signs" / name / "0.png", tmp_path / "signs" / name / "1.png")
    draft = proposed(tmp_path / "signs", tmp_path)

    assert draft.values()["preprocess"] == {"size": [16, 24], "channels": 1, "validation": 0.1, "test": 0.2}
    assert draft.values()["augment"] == {}  # a letter that is mirrored is another


def test_archives_are_looked_into(tmp_path: Path) -> None:
    write_photos(tmp_path / "pets", "cat", "dog")
    with ZipFile(tmp_path / "pets.zip", "w") as archive:
        for path in (tmp_path / "pets").rglob("*.png"):
            archive.write(path, path.relative_to(tmp_path))
    draft = proposed(tmp_path / "pets.zip", tmp_path)

    assert draft.values()["source"] == {"kind": "folder", "path": "pets.zip"}
    assert draft.summary == "pets.zip: 8 photos: 4 'cat', 4 'dog'"


def test_a_list_that_is_not_plain_is_refused_with_what_was_found(tmp_path: Path) -> None:
    write_photos(tmp_path / "pets", "all", count=12)
    rows = "".join(f"all/{at}.png;{['Kätzchen', 'Hund'][at % 2]}\n" for at in range(12))
    (tmp_path / "pets/list.csv").write_bytes(f"file;animal\n{rows}".encode("cp1252"))

    with pytest.raises(
        DataError, match=r"list.csv: needs encoding = 'cp1252' \(.*\), which lists of photos do not have"
    ):
        proposed(tmp_path / "pets/list.csv", tmp_path)


@pytest.mark.parametrize("given", ["pets", "pets/list.csv"])
def test_a_list_names_the_classes(tmp_path: Path, given: str) -> None:
    write_photos(tmp_path / "pets", "all", count=12)
    with (tmp_path / "pets/list.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(
            [("file", "animal"), *((f"all/{at}.png", ["cat", "dog"][at % 2]) for at in range(12))]
        )
    draft = proposed(tmp_path / given, tmp_path)

    source = draft.values()["source"]
    assert source.pop("folder") in ("pets", "pets/all")
    assert source == {"kind": "listing", "path": "pets/list.csv", "image": "file", "label": "animal", "separator": ";"}
    assert draft.summary.endswith("12 photos: 6 'cat', 6 'dog'")

    with (tmp_path / "pets/list.csv").open("a") as rows:
        rows.write("../../etc/passwd;cat\n")
    with pytest.raises(
        DataError, match=r"list\.csv row 14, column 'file': '\.\./\.\./etc/passwd' is not the name of a p"
    ):
        proposed(tmp_path / given, tmp_path)


def test_arrays_are_images_too(tmp_path: Path) -> None:
    images = np.random.default_rng(5).integers(0, 255, (30, 28, 28), np.uint8)
    np.savez(tmp_path / "digits.npz", x=images, y=np.arange(30) % 3)
    draft = proposed(tmp_path / "digits.npz", tmp_path)

    assert draft.values()["source"] == {"kind": "arrays", "path": "digits.npz"}
    assert draft.values()["preprocess"] == {"size": 28, "channels": 1, "validation": 0.1, "test": 0.2}


def test_as_many_broken_photos_are_allowed_as_there_are(tmp_path: Path) -> None:
    write_photos(tmp_path / "pets", "cat", "dog")
    (tmp_path / "pets/cat/0.png").write_bytes(b"no photo")
    draft = proposed(tmp_path / "pets", tmp_path)

    assert draft.values()["ingest"] == {"corrupt": 0.13}
    assert draft.notes[0].startswith("1 of 8 photos cannot be read. The first: cat/0.png: not a JPEG")


def test_a_class_of_one_photo_is_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_photos(tmp_path / "pets", "cat", "dog")
    write_photos(tmp_path / "pets", "owl", count=1)
    draft = proposed(tmp_path / "pets", tmp_path)

    assert draft.notes[0].startswith("1 class has fewer than 2 photos that can be read: 1 'owl'. They are only")
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (["cat"], "4 photos, but nothing names their classes: all are in 'cat'. Put those of each class into a folder"),
        (["train", "test"], "8 photos, but nothing names their classes: all are in 'test', 'train'."),
        (
            ["train/cat", "train/dog", "test"],
            "12 photos, but 4 of them in '*/pets/test', at another depth than the classes",
        ),
        (["cat", "dog", "."], "but 4 of them in '*/pets', at another depth than the classes. Put those of each class"),
        (["cat", "dog", "test"], "but '*/pets/test', with 4, is named like a part but is among the classes"),
        (
            ["train/cat", "train/dog", "unlabeled/all"],
            "but '*/pets/unlabeled/all', with 4, is not in a part",
        ),
        ([], "no photo among 1 file"),
    ],
)
def test_photos_without_classes_are_refused_in_one_line(tmp_path: Path, classes: list[str], said: str) -> None:
    (tmp_path / "pets").mkdir()
    write_photos(tmp_path / "pets", *classes)
    (tmp_path / "pets/notes.md").write_text("of pets")
    with pytest.raises(DataError) as raised:
        proposed(tmp_path / "pets", tmp_path)

    assert said.replace("*", str(tmp_path)) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_photos_of_telephones_need_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        (tmp_path / "pets" / name / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    assert choose_domain(data_at(str(tmp_path / "pets"), tmp_path / "project")) == ("vision", "2 photos")
    unread = "cat/IMG_1.HEIC: HEIC needs pillow-heif, which is not installed"
    with pytest.raises(DataError, match=f"none of 2 photos can be read: {unread}"):
        proposed(tmp_path / "pets", tmp_path)

    write_photos(tmp_path / "pets", "cat", "dog")
    draft = proposed(tmp_path / "pets", tmp_path)
    assert draft.notes[0].startswith("2 of ")
    assert f" photos cannot be read. The first: {unread}." in draft.notes[0]
    assert draft.values()["ingest"]["corrupt"] > 0


def test_every_guess_of_photos_says_what_it_rests_on(tmp_path: Path) -> None:
    write_photos(tmp_path / "pets", "cat", "dog")
    draft = proposed(tmp_path / "pets", tmp_path)

    assert [guess.key for table in draft.tables.values() for guess in table if not guess.why] == ["path"]

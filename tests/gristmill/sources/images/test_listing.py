"""Photos named in a CSV file."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import DataError
from gristmill.runs.locations import locate
from gristmill.settings.base import locations
from gristmill.sources.images.listing import Listing
from gristmill.sources.photo import Photo
from helpers.small_photos import write_photos


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """A folder of photos `photos/owl/0000.jpg`, …"""
    write_photos(tmp_path / "photos", ["owl", "tit"], 2)
    return tmp_path


def photos(root: Path, text: str, folder: str = "photos", name: str = "birds.csv", **settings: Any) -> list[Photo]:
    """Write a list, and read its photos as a pipeline does: the files of both places, one behind the other."""
    (root / name).write_bytes(text.encode())
    source = Listing(kind="listing", path=name, folder=folder, **settings)
    located = [locate(place, root, "test", root, suffixes=source.suffixes).files for _, place in locations(source)]
    assert [field for field, _ in locations(source)] == ["path", "folder"]
    return list(source.photos([file for files in located for file in files]))


def refusal(root: Path, text: str, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        photos(root, text, **settings)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message.replace(f"{root}/", "")


def test_rows_tell_class_part_and_the_metadata_asked_for(birds: Path) -> None:
    found = photos(
        birds,
        'file,species,use,place,"seen, when",email\r\n'
        "tit/0001.jpg,Tit,train,Wood,,a@b\r\n\r\n"
        'owl/0000.jpg,"Owl, barn",VAL,,"May\n1",c@d\r\n',
        metadata=["place", "seen, when"],
        image="file",
        label="species",
        part="use",
    )
    assert [(photo.id, photo.label, photo.part, photo.metadata) for photo in found] == [
        ("tit/0001.jpg", "Tit", "train", {"place": "Wood", "seen, when": ""}),
        ("owl/0000.jpg", "Owl, barn", "validation", {"place": "", "seen, when": "May\n1"}),
    ]
    assert found[0].encoded == (birds / "photos/tit/0001.jpg").read_bytes()


def test_a_list_may_have_another_separator_and_a_mark_of_its_bytes_order(birds: Path) -> None:
    (found,) = photos(birds, "\ufeffimage;label\nowl/0001.jpg;owl\n", separator=";")
    assert (found.id, found.label, found.part, found.metadata) == ("owl/0001.jpg", "owl", None, {})


@pytest.mark.parametrize("name", ["0001.jpg", "owl/0001.jpg", "./owl/0001.jpg", "photos/owl/0001.jpg"])
def test_a_path_may_begin_at_any_folder_above_the_photos(birds: Path, name: str) -> None:
    shutil.rmtree(birds / "photos/tit")
    (found,) = photos(birds, f"image,label\n{name},owl\n")
    assert found.encoded == (birds / "photos/owl/0001.jpg").read_bytes()
    assert found.id == "0001.jpg"


@pytest.mark.parametrize("form", ["zip", "gztar"])
def test_the_photos_may_lie_in_an_archive(birds: Path, form: str) -> None:
    text = "image,label\nphotos/tit/0001.jpg,tit\nphotos/owl/0000.jpg,owl\n"
    wanted = photos(birds, text)
    archive = Path(shutil.make_archive(str(birds / "packed"), form, birds, "photos"))
    shutil.rmtree(birds / "photos")
    assert photos(birds, text, folder=archive.name) == wanted


@pytest.mark.parametrize("form", ["zip", "gztar"])
@pytest.mark.parametrize("folder", ["", "packed"])
def test_the_list_may_lie_in_the_archive_of_its_photos(birds: Path, form: str, folder: str) -> None:
    text = "image,label,use\nphotos/tit/0001.jpg,tit,wild\nphotos/owl/0000.jpg,owl,zoo\n"
    wanted = photos(birds, text)
    (birds / "content").mkdir()
    (birds / "photos").rename(birds / "content/photos")
    (birds / "birds.csv").rename(birds / "content/birds.csv")
    archive = Path(shutil.make_archive(str(birds / "packed"), form, birds / "content"))
    source = Listing(kind="listing", path=archive.name, folder=folder and archive.name)
    located = [locate(place, birds, "test", birds, suffixes=source.suffixes).files for _, place in locations(source)]
    assert list(source.photos([file for files in located for file in files])) == wanted


def test_a_mistake_in_a_list_in_an_archive_is_named_with_its_row(birds: Path) -> None:
    (birds / "photos/list.csv").write_text("image,label\nowl/0000.jpg,\n")
    archive = Path(shutil.make_archive(str(birds / "packed"), "zip", birds / "photos"))
    with pytest.raises(DataError) as caught:
        list(Listing(kind="listing", path=archive.name).photos([archive]))
    assert str(caught.value) == (
        f"{birds}/packed/list.csv row 2, column 'label': empty. Name the photo's class, or remove the row."
    )


def test_several_lists_are_read_one_behind_the_other(birds: Path) -> None:
    (birds / "one.csv").write_text("image,label\ntit/0001.jpg,tit\n")
    found = photos(birds, "label,image,sex\nowl,owl/0001.jpg,f\n", name="two.csv")
    source = Listing(kind="listing", path="*.csv", folder="photos")
    both = list(source.photos([birds / "one.csv", birds / "two.csv", *sorted((birds / "photos").rglob("*.jpg"))]))
    assert [photo.id for photo in both] == ["tit/0001.jpg", "owl/0001.jpg"]
    assert both[1] == found[0]


def test_a_photo_that_is_missing_is_named_with_its_row(birds: Path) -> None:
    message = refusal(birds, "image,label\nowl/0000.jpg,owl\nowl/0009.jpg,owl\n")
    assert message == "birds.csv row 3: no photo 'owl/0009.jpg' at or below " + (
        f"{birds / 'photos'}. Add it, or remove the row.".replace(f"{birds}/", "")
    )


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "", "owl", "photos/../photos/owl/0000.jpg"])
def test_no_name_leads_out_of_the_folder(birds: Path, name: str) -> None:
    (birds / "secret.jpg").write_bytes(b"x")
    assert refusal(birds, f"image,label\n{name},owl\n").startswith(f"birds.csv row 2: no photo {name!r}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\nowl/0000.jpg,\n", "birds.csv row 2, column 'label': empty."),
        (
            "image,label\nowl/0000.jpg,a\n./owl/0000.jpg,b\n",
            "birds.csv row 3: './owl/0000.jpg' is in birds.csv row 2 too",
        ),
        ("image,label\nowl/0000.jpg,a\ntit/0000.jpg,b,c\n", "birds.csv row 3: 3 fields, but the header has 2."),
        ("image,class\nowl/0000.jpg,a\n", "birds.csv: no column 'label'. Columns: 'image', 'class'."),
        ("image,label,x,x\nowl/0000.jpg,a,1,2\n", "birds.csv: columns 3 and 4 are both named 'x'."),
        ("", "birds.csv: no columns 'image', 'label'."),
        ('image,label\n"owl/0000.jpg,a\n', "birds.csv line 2: unexpected end of data."),
    ],
)
def test_a_list_that_does_not_hold_is_refused_with_its_row(birds: Path, text: str, message: str) -> None:
    assert refusal(birds, text).startswith(message)


def test_metadata_that_is_not_there_is_refused(birds: Path) -> None:
    message = refusal(birds, "image,label,sex\nowl/0000.jpg,owl,f\n", metadata="age")
    assert message == "birds.csv: no column 'age'. Columns: 'image', 'label', 'sex'."


@pytest.mark.parametrize("part", ["", "holdout"])
def test_another_part_is_refused(birds: Path, part: str) -> None:
    message = refusal(birds, f"image,label,use\nowl/0000.jpg,owl,{part}\n", part="use")
    assert message.startswith(f"birds.csv row 2, column 'use': {part!r}. Expected one of train, validation,")


def test_another_encoding_is_refused(birds: Path) -> None:
    (birds / "birds.csv").write_bytes("image,label\nowl/0000.jpg,Käuzchen\n".encode("latin-1"))
    source = Listing(kind="listing", path="birds.csv", folder="photos")
    with pytest.raises(DataError, match=r"birds\.csv: not UTF-8\. Save it as UTF-8\."):
        list(source.photos([birds / "birds.csv", birds / "photos/owl/0000.jpg"]))


def test_a_folder_in_place_of_a_list_is_refused(birds: Path) -> None:
    source = Listing(kind="listing", path="photos", folder="photos")
    with pytest.raises(DataError, match=r"0 lists of 4 photos\. Expected a CSV file at the source's path and"):
        list(source.photos(sorted((birds / "photos").rglob("*.jpg"))))

"""Texts in folders and in archives of folders."""

import gzip
import shutil
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import DataError
from gristmill.runs.locations import locate
from gristmill.sources.rows import Rows
from gristmill.sources.texts import folder
from gristmill.sources.texts.folder import Folder


def write(folder: Path, texts: dict[str, str | bytes]) -> Path:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def read(place: Path | str, columns: list[str] | None = None, **settings: Any) -> Rows:
    """Locate and read texts as a pipeline does."""
    source = Folder(kind="folder", path=str(place), **settings)
    root = Path("/")
    paths = locate(source.path, root, "test", root, suffixes=source.suffixes).files
    return source.read(paths, columns or list(source.columns), [])


def test_the_folder_a_text_lies_in_is_its_class(tmp_path: Path) -> None:
    texts = {"pos/2.txt": "fine\n", "neg/1.txt": "bad\r\n", "pos/10.TXT.gz": gzip.compress(b"great"), "pos/a.md": "x"}
    rows = read(write(tmp_path, texts))
    assert rows.frame.to_dict("list") == {
        "text": ["bad\r\n", "great", "fine\n"],
        "label": ["neg", "pos", "pos"],
        "file": ["neg/1.txt", "pos/10.TXT.gz", "pos/2.txt"],
    }
    assert rows.where(1) == f"{tmp_path}/pos/10.TXT.gz"
    assert rows.where(0, 2) == f"{tmp_path}/neg/1.txt and {tmp_path}/pos/2.txt"


def test_the_folder_above_names_the_part(tmp_path: Path) -> None:
    write(tmp_path, {"train/pos/1.txt": "a", "Val/pos/1.txt": "b", "test/neg/1.txt": "c"})
    rows = read(tmp_path, ["part", "file"], parts=True)
    assert rows.frame["part"].tolist() == ["validation", "test", "train"]
    assert rows.frame["file"].tolist() == ["Val/pos/1.txt", "test/neg/1.txt", "train/pos/1.txt"]


def test_another_part_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"train/pos/1.txt": "a", "dev/neg/1.txt": "b"})
    with pytest.raises(DataError) as refused:
        read(tmp_path, parts=True)
    assert str(refused.value) == (
        f"{tmp_path}/dev/neg/1.txt: the folder above its class is 'dev'. Expected train, validation, valid, val, test: "
        "rename it, or leave out the source's parts."
    )


@pytest.mark.parametrize("form", ["zip", "gztar"])
def test_an_archive_gives_what_its_folder_gives(tmp_path: Path, form: str) -> None:
    folder = write(tmp_path / "reviews", {"pos/1.txt": "a", "neg/1.txt.gz": gzip.compress(b"b")})
    archive = shutil.make_archive(str(tmp_path / "packed"), form, tmp_path, "reviews")
    assert read(archive).frame.equals(read(folder).frame)


def test_the_encoding_is_the_one_that_is_set(tmp_path: Path) -> None:
    write(tmp_path, {"pos/1.txt": "a", "neg/1.txt": "first\ncafé".encode("cp1252")})
    assert read(tmp_path, ["text"], encoding="cp1252").frame["text"].tolist() == ["first\ncafé", "a"]
    with pytest.raises(DataError) as refused:
        read(tmp_path)
    assert str(refused.value) == f"{tmp_path}/neg/1.txt line 2: not utf-8. Set the source's encoding."


def test_another_column_is_refused_with_those_that_are_there(tmp_path: Path) -> None:
    write(tmp_path, {"pos/1.txt": "a", "neg/1.txt": "b"})
    with pytest.raises(DataError) as refused:
        read(tmp_path, ["text", "part"])
    assert str(refused.value) == f"{tmp_path}: no column 'part'. Columns: 'text', 'label', 'file'."


def test_a_file_at_the_root_of_the_file_system_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "read_text", lambda path, encoding, read: f"what {path} holds")
    rows = Folder(kind="folder", path="/new.txt").read([Path("/new.txt")], ["text", "file"], [])
    assert rows.frame.to_dict("list") == {"text": ["what /new.txt holds"], "file": ["new.txt"]}


def test_an_archive_without_texts_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "reviews", {"pos/1.jpg": "a"})
    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path, "reviews")
    with pytest.raises(DataError) as refused:
        read(archive)
    assert str(refused.value) == f"{archive}: no text in it. Expected .txt, .txt.gz in folders."

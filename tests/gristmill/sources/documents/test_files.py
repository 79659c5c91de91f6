"""Plain text files are documents, in the order of their paths."""

import gzip
from pathlib import Path

import pytest

from conftest import SHARED
from gristmill.errors import DataError
from gristmill.runs.locations import locate
from gristmill.sources.documents.files import Document, TextFiles


def documents(place: str, root: Path, encoding: str = "utf-8") -> list[Document]:
    source = TextFiles(kind="files", path=place, encoding=encoding)
    return list(source.documents(locate(place, root, "test", root, suffixes=source.suffixes).files))


def test_one_file_is_one_document_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "play.log").write_bytes("\ufeffEnter\r\nGhost".encode())
    assert documents("play.log", tmp_path) == [Document("1", "Enter\r\nGhost", str(tmp_path / "play.log"))]


def test_a_folder_gives_its_plain_texts(tmp_path: Path) -> None:
    (tmp_path / "act").mkdir()
    (tmp_path / "b.txt").write_text("2")
    (tmp_path / "a.MD.gz").write_bytes(gzip.compress(b"1"))
    (tmp_path / "act/c.text").write_text("3")
    (tmp_path / "d.html").write_text("4")
    assert [(found.id, found.text) for found in documents(".", tmp_path)] == [
        ("a.MD.gz", "1"),
        ("act/c.text", "3"),
        ("b.txt", "2"),
    ]
    assert [found.id for found in documents("*.txt", tmp_path)] == ["1"]


def test_the_encoding_is_the_one_that_is_set(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("one\ntwo\ncafé".encode("cp1252"))
    assert documents("a.txt", tmp_path, "cp1252")[0].text == "one\ntwo\ncafé"
    with pytest.raises(DataError) as refused:
        documents("a.txt", tmp_path)
    assert str(refused.value) == f"{tmp_path}/a.txt line 3: not utf-8. Set the source's encoding."


@pytest.mark.shared_data
def test_real_plays() -> None:
    (found,) = documents("tinyshakespeare.txt", SHARED / "data")
    assert len(found.text) == 1_115_394

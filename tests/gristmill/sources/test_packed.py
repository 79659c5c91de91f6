"""Files packed with gzip, and files of text in any encoding; damaged files and bombs are rejected."""

import gzip
import io
from pathlib import Path

import pytest

from gristmill.errors import DataError
from gristmill.sources import file_content
from gristmill.sources.file_content import open_unpacked, read_bytes, read_text


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "A.CSV.GZ", "a.tgz"])
def test_the_name_tells_whether_a_file_is_packed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"text" if name == "a.csv" else gzip.compress(b"te") + gzip.compress(b"xt"))
    assert read_bytes(path) == read_bytes(Path("elsewhere", name), path.read_bytes()) == b"text"
    with open_unpacked(path) as file:
        assert (file.read(1), file.read()) == (b"t", b"ext")


def test_a_file_that_is_given_is_read_in_place_of_the_one_on_disk() -> None:
    with open_unpacked(Path("a.gz"), io.BytesIO(gzip.compress(b"text"))) as file:
        assert file.read() == b"text"


@pytest.mark.fault(27)
def test_what_unpacks_to_more_than_it_may_is_refused_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(50_000)))
    monkeypatch.setattr(file_content, "MAX_RATIO", 10)
    with open_unpacked(path, always_allowed=50_000) as file:
        assert len(file.read()) == 50_000
    with pytest.raises(DataError) as refused, open_unpacked(path, always_allowed=49_999) as file:
        file.read()
    assert str(refused.value) == (
        f"{path}: unpacks to more than 49,999 bytes, over 10 times its size. If that is right, unpack it by hand."
    )
    monkeypatch.setattr(file_content, "MAX_RATIO", 50_000)  # a larger file may hold more
    with open_unpacked(path, always_allowed=0) as file:
        assert len(file.read()) == 50_000


@pytest.mark.parametrize("content", [b"plain", gzip.compress(b"text")[:-1], gzip.compress(b"text")[:-8] + bytes(8)])
def test_what_is_no_whole_gzip_file_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"^a\.gz: not a complete gzip file \(.*\)\. Fetch it again\.$"):
        read_bytes(Path("a.gz"), content)


TEXT = "Één\r\ntwee\n\u2028drie"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.GZ"])
def test_a_text_comes_as_it_was_written(tmp_path: Path, encoding: str, name: str) -> None:
    text = TEXT.replace("\u2028", "") if encoding == "cp1252" else TEXT
    content = text.encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("GZ") else content)
    assert read_text(tmp_path / name, encoding) == text


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfa\xef\xbb\xbfb")
    assert read_text(tmp_path / "a.txt", "utf-8") == "a\ufeffb"


def test_bytes_may_come_from_elsewhere() -> None:
    assert read_text(Path("in/an/archive.txt"), "utf-8", lambda: b"a") == "a"


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (b"a\nb\xff\n", "utf-8", "a.txt row 2: not utf-8. Set the source's encoding."),
        ("a\nä\n".encode("cp1252"), "utf-8", "a.txt row 2: not utf-8. Set the source's encoding."),
        ("a\nb\n".encode("utf-16-le") + b"\x00\xd8", "utf-16-le", "a.txt row 3: not utf-16-le. Set the source's encod"),
        (b"a", "utf-9", "a.txt: unknown encoding 'utf-9'. Set the source's encoding to one that Python knows."),
        (b"a", "rot13", "a.txt: unknown encoding 'rot13'. Set the source's encoding to one that Python knows."),
        (b"a", "a\0", "a.txt: unknown encoding 'a\\x00'. Set the source's encoding to one that Python knows."),
    ],
)
def test_what_cannot_be_decoded_is_told(tmp_path: Path, content: bytes, encoding: str, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError) as refused:
        read_text(tmp_path / "a.txt", encoding, unit="row")
    assert str(refused.value).startswith(f"{tmp_path}/{message}")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        read_text(tmp_path / "a.txt", "utf-8")
    assert str(refused.value) == (
        f"{tmp_path}/a.txt: cannot be read (No such file or directory). Fetch it, or fix its permissions."
    )

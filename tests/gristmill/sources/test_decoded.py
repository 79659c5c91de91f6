"""Files of text, whatever their encoding, packed or not; what cannot be read is told by file and line."""

import gzip
from pathlib import Path

import pytest

from gristmill.errors import DataError
from gristmill.sources.decoded import decoded

TEXT = "Één\r\ntwee\n\u2028drie"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.GZ"])
def test_a_text_comes_as_it_was_written(tmp_path: Path, encoding: str, name: str) -> None:
    text = TEXT.replace("\u2028", "") if encoding == "cp1252" else TEXT
    content = text.encode(encoding)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("GZ") else content)
    assert decoded(tmp_path / name, encoding) == text


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfa\xef\xbb\xbfb")
    assert decoded(tmp_path / "a.txt", "utf-8") == "a\ufeffb"


def test_bytes_may_come_from_elsewhere() -> None:
    assert decoded(Path("in/an/archive.txt"), "utf-8", lambda: b"a") == "a"


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
        decoded(tmp_path / "a.txt", encoding, unit="row")
    assert str(refused.value).startswith(f"{tmp_path}/{message}")


def test_a_damaged_gzip_file_is_told(tmp_path: Path) -> None:
    packed = tmp_path / "a.txt.gz"
    for content in (b"plain", gzip.compress(b"text" * 99)[:-9]):
        packed.write_bytes(content)
        with pytest.raises(DataError, match=r"/a\.txt\.gz: not a whole gzip file \(.*\)\. Fetch it again\.$"):
            decoded(packed, "utf-8")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        decoded(tmp_path / "a.txt", "utf-8")
    assert str(refused.value) == (
        f"{tmp_path}/a.txt: cannot be read (No such file or directory). Fetch it, or mend its permissions."
    )

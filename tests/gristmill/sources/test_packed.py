"""Files packed by gzip: whole ones are unpacked, and of bombs no more than a little."""

import gzip
import io
from pathlib import Path

import pytest

from gristmill.errors import DataError
from gristmill.sources import packed
from gristmill.sources.packed import content_of, unpacked


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "A.CSV.GZ", "a.tgz"])
def test_the_name_tells_whether_a_file_is_packed(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"text" if name == "a.csv" else gzip.compress(b"te") + gzip.compress(b"xt"))
    assert content_of(path) == content_of(Path("elsewhere", name), path.read_bytes()) == b"text"
    with unpacked(path) as file:
        assert (file.read(1), file.read()) == (b"t", b"ext")


def test_a_file_that_is_given_is_read_in_place_of_the_one_on_disk() -> None:
    with unpacked(Path("a.gz"), io.BytesIO(gzip.compress(b"text"))) as file:
        assert file.read() == b"text"


@pytest.mark.fault(27)
def test_what_unpacks_to_more_than_it_may_is_refused_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(50_000)))
    monkeypatch.setattr(packed, "_RATIO", 10)
    with unpacked(path, always=50_000) as file:
        assert len(file.read()) == 50_000
    with pytest.raises(DataError) as refused, unpacked(path, always=49_999) as file:
        file.read()
    assert str(refused.value) == (
        f"{path}: unpacks to more than 49,999 bytes, over 10 times its size. If that is right, unpack it by hand."
    )
    monkeypatch.setattr(packed, "_RATIO", 50_000)  # a larger file may hold more
    with unpacked(path, always=0) as file:
        assert len(file.read()) == 50_000


@pytest.mark.parametrize("content", [b"plain", gzip.compress(b"text")[:-1], gzip.compress(b"text")[:-8] + bytes(8)])
def test_what_is_no_whole_gzip_file_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match=r"^a\.gz: not a whole gzip file \(.*\)\. Fetch it again\.$"):
        content_of(Path("a.gz"), content)

"""Archives: what they give, and what they are refused for. Nothing is ever written beside them."""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import DataError
from gristmill.sources import archives, file_content
from gristmill.sources.archives import open_archive, open_files
from helpers.damage import attempt, damaged, tried

PACKERS = {".tar": "w:", ".tar.gz": "w:gz", ".tgz": "w:gz"}
CONTENT = {"b/2.jpg": b"two", "a/1.jpg": b"one", "b/10.JPG": b"ten"}


def pack(path: Path, content: Mapping[str, bytes]) -> Path:
    """Write an archive of the kind that its name tells, members in the order given."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    else:
        with tarfile.open(path, PACKERS["".join(path.suffixes)]) as archive:
            for name, data in content.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return path


def read(path: Path) -> dict[str, bytes]:
    """Return all that an archive gives."""
    with open_archive(path, (".jpg",)) as found:
        return {name: member() for name, member in found.items()}


def refusal(path: Path) -> str:
    """Return the one line for which an archive is refused, which begins with its path."""
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert len(message.splitlines()) == 1
    return message.removeprefix(str(path))


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    """Return a member of a tar that is no plain file."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


def tar_of(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            archive.addfile(member)
    return path


@pytest.mark.parametrize("suffix", archives.SUFFIXES)
def test_members_are_given_sorted_and_whole(tmp_path: Path, suffix: str) -> None:
    found = read(pack(tmp_path / f"photos{suffix}", CONTENT))
    assert list(found.items()) == [("a/1.jpg", b"one"), ("b/10.JPG", b"ten"), ("b/2.jpg", b"two")]
    assert [path.name for path in tmp_path.iterdir()] == [f"photos{suffix}"]


@pytest.mark.parametrize("suffix", archives.SUFFIXES)
def test_what_is_no_photo_is_left_out(tmp_path: Path, suffix: str) -> None:
    others = ("README", "a/notes.txt", "a/inner.zip", "__MACOSX/a/._1.jpg", ".cache/1.jpg")
    assert read(pack(tmp_path / f"a{suffix}", {**dict.fromkeys(others, b"x"), "./c/1.jpg": b"one"})) == {
        "c/1.jpg": b"one"
    }


@pytest.mark.fault(27)
@pytest.mark.parametrize("suffix", archives.SUFFIXES)
@pytest.mark.parametrize("name", ["/etc/1.jpg", "../1.jpg", "a/../../1.jpg", "C:/1.jpg", "a\\1.jpg", "..\\1.jpg"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, suffix: str, name: str) -> None:
    assert refusal(pack(tmp_path / f"a{suffix}", {"a/0.jpg": b"", name: b""})).startswith(
        f", member {name!r}: leads out of the archive."
    )


@pytest.mark.fault(27)
@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE],
)
def test_a_link_or_device_in_a_tar_is_refused(tmp_path: Path, kind: bytes) -> None:
    path = tar_of(tmp_path / "a.tar", special("a/1.jpg", kind, "/etc/passwd"))
    assert refusal(path).startswith(", member 'a/1.jpg': a link, a device or sparse.")


@pytest.mark.fault(27)
@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_device_in_a_zip_is_refused(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("a/1.jpg")
    info.external_attr = (kind | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert refusal(tmp_path / "a.zip").startswith(", member 'a/1.jpg': a link, a device or sparse.")


@pytest.mark.fault(27)
def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a/1.jpg": b"one"})
    raw = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        raw[raw.index(signature) + flags] |= 1
    path.write_bytes(raw)
    assert refusal(path) == ", member 'a/1.jpg': encrypted. Pack it without a password."


@pytest.mark.fault(27)
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("suffix", [".zip", ".tar"])
def test_a_name_that_stands_twice_is_refused(tmp_path: Path, suffix: str) -> None:
    path = pack(tmp_path / f"a{suffix}", {"a/1.jpg": b"one", "./a/1.jpg": b"two"})
    assert refusal(path) == ", member 'a/1.jpg': in the archive twice. Pack it again."


@pytest.mark.fault(27)
@pytest.mark.parametrize("suffix", archives.SUFFIXES)
def test_a_member_beyond_the_cap_is_refused_by_what_it_declares(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / f"a{suffix}", {"a/1.jpg": bytes(1000), "a/2.jpg": bytes(1001), "a/film.mov": bytes(5000)})
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1000)
    assert refusal(path).startswith(", member 'a/2.jpg': 1,001 bytes, more than the limit of 1,000")


@pytest.mark.fault(27)
@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_photos_beyond_the_cap_are_refused_together(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / f"a{suffix}", {f"a/{number}.jpg": bytes(10_000) for number in range(20)})
    assert len(read(path)) == 20
    monkeypatch.setattr(archives, "ALWAYS_ALLOWED", 100_000)
    monkeypatch.setattr(file_content, "MAX_RATIO", 1)
    assert "unpacks to" in refusal(path)
    monkeypatch.setattr(file_content, "MAX_RATIO", 10_000)  # a larger archive may hold more
    assert len(read(path)) == 20


@pytest.mark.fault(27)
def test_a_member_that_is_more_than_it_declares_is_refused(tmp_path: Path) -> None:
    """A bomb that says it is small."""
    path = pack(tmp_path / "a.zip", {"a/1.jpg": bytes(10 << 20)})
    raw = bytearray(path.read_bytes())
    for signature, size in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        struct.pack_into("<I", raw, raw.index(signature) + size, 1000)
    path.write_bytes(raw)
    assert refusal(path).startswith(", member 'a/1.jpg': cannot be read completely (")


@pytest.mark.fault(27)
def test_a_header_that_asks_for_gigabytes_is_refused(tmp_path: Path) -> None:
    """In a tar the headers themselves may be bombs: tarfile reads an extended one whole."""
    header = special("a/1.jpg", tarfile.XHDTYPE)
    header.size = archives.MAX_MEMBER_BYTES + 1
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(header.tobuf() + bytes(1 << 20)))
    assert "a header asks for 26" in refusal(path)


@pytest.mark.fault(27)
@pytest.mark.parametrize("suffix", archives.SUFFIXES)
def test_an_archive_cut_off_anywhere_is_refused(tmp_path: Path, suffix: str) -> None:
    path = pack(tmp_path / f"a{suffix}", {f"a/{number}.jpg": os.urandom(300) for number in range(3)})
    whole = path.read_bytes()
    # A tar ends in zeros, of which none but the first block tells anything.
    ends = range(0, 3 * 1024 + 1, 128) if suffix == ".tar" else range(0, len(whole), 17)
    for end in ends:
        path.write_bytes(whole[:end])
        refusal(path)


def test_a_tar_with_a_damaged_header_is_refused_and_not_taken_for_a_shorter_one(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", CONTENT)
    raw = bytearray(path.read_bytes())
    raw[1024] ^= 1  # the name in the second header
    path.write_bytes(raw)
    assert "neither a header nor the end at byte 1024" in refusal(path)


@pytest.mark.fault(27)
def test_a_member_of_a_zip_that_lost_its_name_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a/1.jpg": b"one"})
    raw = bytearray(path.read_bytes())
    name = raw.rindex(b"a/1.jpg")  # of the directory at the end; before it the lengths of name, extra field and comment
    raw[name - 18 : name - 12] = struct.pack("<HHH", 0, 0, len(b"a/1.jpg"))
    path.write_bytes(raw)
    assert refusal(path) == ": a member without a name. Fetch it, or pack it, again."


@pytest.mark.fault(27)
@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz"])
@tried(50)
@given(data=st.data())
def test_damage_gives_the_photos_or_a_refusal(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    """A tar has no checksum of its content; all else is found."""
    path = pack(tmp_path / f"a{suffix}", CONTENT)
    path.write_bytes(data.draw(damaged(path.read_bytes(), b"../", b"/", b"\0", b"PK\1\2", b"\xff\xff\xff\xff")))

    found, refusal = attempt(DataError, lambda: read(path))

    assert len(refusal.splitlines()) == (found is None)
    assert suffix == ".tar" or {*(found or {}).values()} <= {*CONTENT.values()}
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.fault(27)
@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_method_that_unpacks_all_at_once_is_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a/1.jpg", b"one")
    assert refusal(tmp_path / "a.zip") == (f", member 'a/1.jpg': compression method {method}. Pack it with deflate.")


@pytest.mark.fault(27)
def test_more_members_than_a_tar_of_its_size_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "a.tar.gz", {f"a/{number}.jpg": b"" for number in range(50)})
    assert len(read(path)) == 50
    monkeypatch.setattr(archives, "_ALWAYS_ALLOWED_MEMBERS", 49)
    assert refusal(path).startswith(": more than 49 members. Pack photos only.")


@pytest.mark.fault(27)
@pytest.mark.parametrize("suffix", [".zip", ".tar"])
@pytest.mark.parametrize("mark", ["\n", "\x1b", "\x7f", "\u2028"])
def test_a_control_character_in_a_name_is_refused(tmp_path: Path, suffix: str, mark: str) -> None:
    path = pack(tmp_path / f"a{suffix}", {f"a/{mark}1.jpg": b"one"})
    assert refusal(path) == (
        f", member {f'a/{mark}1.jpg'!r}: a control character in its name. Rename it, and pack it again."
    )


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path, suffix: str) -> None:
    path = pack(tmp_path / f"a{suffix}", {os.fsdecode(b"a/caf\xe9.jpg"): b"x"})
    assert refusal(path) == ", member 'a/caf\\udce9.jpg': its name is not UTF-8. Rename it, and pack it again."


def test_files_and_archives_lie_under_one_roof(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats/1.jpg").write_bytes(b"cat")
    paths = [
        tmp_path / "cats/1.jpg",
        pack(tmp_path / "birds.tar.gz", {"owl/1.jpg": b"owl"}),
        pack(tmp_path / "Dogs.ZIP.zip", {"1.jpg": b"dog"}),
    ]
    with open_files(paths, (".jpg",)) as found:
        contents = {str(path.relative_to(tmp_path)): member() for path, member in found.items()}
    assert list(contents.items()) == [("Dogs.ZIP/1.jpg", b"dog"), ("birds/owl/1.jpg", b"owl"), ("cats/1.jpg", b"cat")]


def test_a_photo_in_a_folder_and_in_an_archive_of_its_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats/1.jpg").write_bytes(b"cat")
    paths = [tmp_path / "cats/1.jpg", pack(tmp_path / "cats.zip", {"1.jpg": b"cat"})]
    with (
        pytest.raises(DataError, match=r"cats\.zip: contains .*/cats/1\.jpg a second time"),
        open_files(paths, (".jpg",)),
    ):
        pass


Fault = Callable[[Path], None]


@pytest.mark.parametrize("fault", [Path.unlink, lambda path: (path.unlink(), path.mkdir())], ids=["gone", "a folder"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, fault: Fault) -> None:
    path = tmp_path / "1.jpg"
    path.write_bytes(b"x")
    with open_files([path], (".jpg",)) as found:
        fault(path)
        with pytest.raises(DataError, match=r"/1\.jpg: cannot be read completely"):
            found[path]()

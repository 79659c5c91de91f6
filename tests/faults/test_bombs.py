"""Bombs: small files that unpack to what no memory holds. Each is refused in a process that may take little of it."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from helpers.bounded import bounded, linux
from helpers.scoreboard import Fault

pytestmark = [linux, pytest.mark.slow]

ARCHIVES = """
from gristmill.sources.archives import open_archive
def read(path):
    with open_archive(Path(path), (".jpg",)) as found:
        for content in found.values():
            content()
"""
TEXTS = """
import pandas, pyarrow
from gristmill.sources.file_content import read_text
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.jsonl import Jsonl
def read(path):
    kind = Csv if ".csv" in path else Jsonl
    kind(kind=kind.__name__.lower(), path=path).read([Path(path)], ["t"], ["y"])
"""
PHOTOS = """
from gristmill.domains.vision.decode import check_photo
from PIL import BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
def read(path):
    check_photo(Path(path).read_bytes(), 50_000_000)
"""
MIB = 1 << 20
LINE = 1000  # MiB that a line of 300 may take: its bytes, its characters, and what decodes the one to the other


def of_method(path: Path, method: int, mebibytes: int, declared: int) -> None:
    """Write a zip of one member of zeros that declares another size than it has."""
    with zipfile.ZipFile(path, "w", method) as archive, archive.open("a/1.jpg", "w") as member:
        for _ in range(mebibytes):
            member.write(bytes(MIB))
    raw = bytearray(path.read_bytes())
    for signature, size in ((b"PK\1\2", 24), (b"PK\3\4", 22)):
        struct.pack_into("<I", raw, raw.index(signature) + size, declared)
    path.write_bytes(raw)


def overlapping(path: Path) -> None:
    """Write a zip of a hundred members that all are the same bytes of it."""
    of_method(path, zipfile.ZIP_DEFLATED, 20, 20 * MIB)
    raw = path.read_bytes()
    start, end = raw.index(b"PK\1\2"), raw.index(b"PK\5\6")
    entries = b"".join(raw[start:end].replace(b"a/1.jpg", b"%d.jpg" % number) for number in range(100, 200))
    counts = struct.pack("<HHII", 100, 100, len(entries), start)
    path.write_bytes(raw[:start] + entries + raw[end : end + 8] + counts + raw[end + 20 :])


def many_entries(path: Path) -> None:
    """Write a zip of the directory alone, of a million members."""
    entry = b"PK\1\2" + struct.pack("<6H3I5H2I", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = b"PK\5\6" + struct.pack("<4H2IH", 0, 0, 1, 1, len(entry) * 10**6, 0, 0)
    path.write_bytes(entry * 10**6 + end)


def headers(path: Path, *blocks: bytes) -> None:
    """Write a packed tar of these blocks."""
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for block in blocks:
            packed.write(block)
        packed.write(bytes(2 * tarfile.BLOCKSIZE))


def of_kind(name: str, kind: bytes, size: int = 0) -> bytes:
    """Return the header of a member of a tar."""
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf()


def members(path: Path) -> None:
    headers(path, *(of_kind(f"a/{number % 50_000}.jpg", tarfile.REGTYPE) * 4 for number in range(50_000)))


def long_header(path: Path) -> None:
    records = b"".join(b"13 %07d=a\n" % number for number in range(200_000))
    padded = records + bytes(-len(records) % tarfile.BLOCKSIZE)
    headers(path, of_kind("a", tarfile.XHDTYPE, len(records)), padded, of_kind("a/1.jpg", tarfile.REGTYPE))


def long_names(path: Path) -> None:
    name = b"a" * (MIB - 1) + b"\0"
    blocks = of_kind("a", tarfile.GNUTYPE_LONGNAME, MIB) + name + of_kind("a/1.jpg", tarfile.REGTYPE)
    headers(path, *[blocks] * 200)


def packed_zeros(path: Path) -> None:
    headers(path, of_kind("a/1.jpg", tarfile.REGTYPE, 1100 * MIB))
    with path.open("ab") as file:
        file.write(gzip.compress(bytes(50 * MIB), 1) * 22)  # streams of one file: gzip joins what they hold


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (8, 8)) -> bytes:
    """Return a PNG of zeros, in grey, with further chunks; a chunk too many is no harm."""
    rows = zlib.compress(bytes(8 * 9))
    all_ = [(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0)), *chunks, (b"IDAT", rows), (b"IEND", b"")]
    written = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in all_
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def saved(form: str, size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, "red").save(target, form, **options)
    return target.getvalue()


def lying(form: str, true: bytes, said: bytes) -> bytes:
    """Return a picture of 64 x 64 whose header has another size."""
    return saved(form).replace(true, said, 1)


def packed_text(path: Path, block: bytes) -> None:
    path.write_bytes(gzip.compress(block) * 70)


ZEROS, MEBIBYTE = (zlib.compress(bytes(size * MIB), 9) for size in (100, 1))
FRAME = (b"fcTL", struct.pack(">IIIIIHHBB", 0, 60_000, 60_000, 0, 0, 1, 1, 0, 0))
CANVAS = saved("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0").replace(b"?\0\0?\0\0", b"\xff\x3f\0" * 2, 1)
BOMBS: dict[str, tuple[str, int, Callable[[Path], object], str]] = {
    "deflate.zip": (
        ARCHIVES,
        64,
        lambda path: of_method(path, zipfile.ZIP_DEFLATED, 300, 1000),
        "cannot be read completely",
    ),
    "large.zip": (
        ARCHIVES,
        64,
        lambda path: of_method(path, zipfile.ZIP_DEFLATED, 300, 300 * MIB),
        "314,572,800 bytes",
    ),
    "bzip2.zip": (
        ARCHIVES,
        64,
        lambda path: of_method(path, zipfile.ZIP_BZIP2, 100, 90 * MIB),
        "method 12",
    ),
    "lzma.zip": (ARCHIVES, 64, lambda path: of_method(path, zipfile.ZIP_LZMA, 100, 90 * MIB), "method 14"),
    "overlapping.zip": (ARCHIVES, 64, overlapping, "unpacks to 2,097,152,000 bytes, more than 1,073,741,824"),
    "members.tar.gz": (ARCHIVES, 160, members, "more than 100,000 members"),
    "members.zip": (ARCHIVES, 160, many_entries, "more than 734,375 members"),
    "header.tar.gz": (ARCHIVES, 64, long_header, "a header asks for 2600448 bytes"),
    "names.tar.gz": (ARCHIVES, 64, long_names, "...: a name of more than 4,096 characters. Rename it"),
    "zeros.tar.gz": (ARCHIVES, 64, packed_zeros, "unpacks to more than 1,073,741,824 bytes"),
    "rows.csv.gz": (
        TEXTS,
        96,
        lambda path: packed_text(path, (b"a" * 126 + b",\n") * (MIB // 128)),
        "unpacks to more than 67,108,864",
    ),
    "line.csv.gz": (TEXTS, 160, lambda path: packed_text(path, b"," * MIB), "unpacks to more than 67,108,864"),
    "lines.jsonl.gz": (
        TEXTS,
        192,
        lambda path: packed_text(path, (b'{"t": 1' + b" " * 119 + b"}\n") * (MIB // 128)),
        "unpacks to more than",
    ),
    **{
        name: (PHOTOS, 160, lambda path, content=content: path.write_bytes(content), said)
        for name, content, said in (
            ("size.png", png(size=(60_000, 60_000)), "too many pixels"),
            ("pixels.png", saved("PNG", (10_000, 9_000)), "10000 x 9000 pixels, more than ingest.max_pixels"),
            ("text.png", png((b"zTXt", b"a\0\0" + ZEROS)), "truncated or corrupt (Decompressed data too large"),
            (
                "international.png",
                png((b"iTXt", b"a\0\1\0\0\0" + ZEROS)),
                "truncated or corrupt (Decompressed data too",
            ),
            ("profile.png", png((b"iCCP", b"a\0\0" + ZEROS)), "truncated or corrupt (Decompressed data too large"),
            (
                "texts.png",
                png(*[(b"zTXt", b"%d\0\0" % number + MEBIBYTE) for number in range(80)]),
                "truncated or corrupt (Too",
            ),
            (
                "frame.png",
                png((b"acTL", struct.pack(">II", 1 << 30, 0)), FRAME),
                "not a JPEG, PNG, WebP, TIFF",
            ),
            ("size.jpg", lying("JPEG", b"\0@\0@", b"\xff\xdc\xff\xdc"), "too many pixels"),
            ("pixels.jpg", lying("JPEG", b"\0@\0@", b"\x32\xc8\x32\xc8"), "13000 x 13000 pixels, more than"),
            ("size.gif", lying("GIF", b"@\0@\0", b"\xff\xff\xff\xff"), "too many pixels"),
            ("size.bmp", lying("BMP", b"@\0\0\0@\0\0\0", b"\x60\xea\0\0" * 2), "too many pixels"),
            ("cut.bmp", lying("BMP", b"@\0\0\0@\0\0\0", b"\x70\x17\0\0\x64\0\0\0"), "truncated or corrupt"),
            ("size.webp", CANVAS, "too many pixels"),
        )
    },
}


@pytest.mark.fault(27)
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_within_little_memory(name: str, tmp_path: Path, fault: Fault) -> None:
    imports, cap, make, message = BOMBS[name]
    make(tmp_path / name)

    said, peak = bounded(imports, "read(sys.argv[1])", cap, str(tmp_path / name))

    assert message in said
    assert [path.name for path in tmp_path.iterdir()] == [name]
    fault.said(said.replace(f"{tmp_path}/", ""))
    fault.used(peak)


@pytest.mark.fault(25)
@pytest.mark.parametrize("width", [1, 0], ids=["a cell", "a header"])
def test_a_line_of_300_mb_takes_little_more_than_itself(width: int, tmp_path: Path, fault: Fault) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"t,y\n" * width)
    with path.open("r+b") as file:
        file.truncate(300_000_000)  # zeros that take no room

    said, peak = bounded(TEXTS, "read(sys.argv[1])", LINE, str(path))

    assert said == f"{path} row {width + 1}: a cell of more than 8,388,608 characters. Shorten it."
    fault.said(said.replace(f"{tmp_path}/", ""))
    fault.used(peak)

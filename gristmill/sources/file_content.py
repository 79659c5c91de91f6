"""Content of files: unpacked with a limit, decoded, and in the expected format.

A file may unpack to at most a hundred times its own size, so a gzip bomb cannot fill the memory. A file in another
format is named instead of misread.
"""

import codecs
import gzip
import io
import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gristmill.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_RATIO = 100  # unpacked size to file size; tables and texts shrink to a tenth, rarely to a fiftieth
ALWAYS_ALLOWED = 64 << 20  # bytes that any file may unpack to

_SAVE_AS_CSV, _SAVE_AS_PARQUET = "Save the table as CSV.", "Save the table as Parquet."
_BINARY_FORMATS = {
    b"%PDF-": f"a PDF document. {_SAVE_AS_CSV}",
    b"PK\3\4": "a zip archive or an Excel workbook. Unpack the archive, or save the sheet as CSV.",
    b"\xd0\xcf\x11\xe0": "an Excel workbook. Save the sheet as CSV.",
    b"SQLite format 3\0": f"an SQLite database. {_SAVE_AS_CSV}",
    b"\x89HDF\r\n": f"an HDF5 file. {_SAVE_AS_PARQUET}",
    b"ARROW1\0\0": f"an Arrow file. {_SAVE_AS_PARQUET}",
    b"PAR1\x15": 'a Parquet file. Rename it so that it ends in .parquet, and set kind = "parquet".',
    b"\x1f\x8b": "compressed with gzip. Rename the file so that it ends in .gz.",
    b"BZh91AY": "compressed with bzip2. Decompress it, or compress it with gzip.",
    b"\xfd7zXZ\0": "compressed with xz. Decompress it, or compress it with gzip.",
    b"\x28\xb5\x2f\xfd": "compressed with zstd. Decompress it, or compress it with gzip.",
}
_TEXT_FORMATS = {
    r"(<!--.*?-->\s*)*<(!doctype html|html|head|body|table)\b": (
        "an HTML page, not a table. Download the table itself, or use its own URL."
    ),
    r"<\?xml": f"an XML document. {_SAVE_AS_CSV}",
    r"\{\\rtf": f"an RTF document. {_SAVE_AS_CSV}",
}
_JSON = r"\{\s*(\"[^\"\n]*\"\s*:|\})|\[\s*[\[{]"


@contextmanager
def open_unpacked(
    path: Path, raw: IO[bytes] | None = None, always_allowed: int = ALWAYS_ALLOWED
) -> Iterator[IO[bytes]]:
    """Open a file, or `raw` for a member of an archive, as a stream; unpack it if it is named `.gz` or `.tgz`.

    Raises:
        DataError: within the block, if the file is damaged or unpacks to more bytes than allowed.
    """
    with raw or path.open("rb") as file:
        if not path.name.lower().endswith((".gz", ".tgz")):
            yield file
            return
        limit = max_unpacked_bytes(file.seek(0, os.SEEK_END), always_allowed)
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as packed:
            yield io.BufferedReader(_LimitedUnpacker(path, packed, limit), 1 << 20)


def max_unpacked_bytes(size: int, always_allowed: int = ALWAYS_ALLOWED) -> int:
    """Return how many bytes a file of a size may unpack to."""
    return max(always_allowed, MAX_RATIO * size)


def read_bytes(path: Path, content: bytes | None = None) -> bytes:
    """Return the unpacked content of a file, or of `content` for a member of an archive; see `open_unpacked`."""
    with open_unpacked(path, None if content is None else io.BytesIO(content)) as file:
        return file.read()


def read_text(path: Path, encoding: str, read: Callable[[], bytes] | None = None, unit: str = "line") -> str:
    """Return the text of a file without its byte order mark; line ends stay as they are.

    For a member of an archive, `read` returns its bytes. `unit` is the word for a line in messages.

    Raises:
        DataError: the file cannot be read or decoded; the message names the line.
    """
    try:
        content = read_bytes(path, read() if read else None)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Fetch it, or fix its permissions.") from None
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(encoding, "ignore").count("\n") + 1
        raise DataError(f"{path} {unit} {line}: not {encoding}. Set the source's encoding.") from None
    except (LookupError, ValueError):  # not an encoding, or not one of text
        raise unknown_encoding(path, encoding) from None


def unknown_encoding(path: Path, encoding: str) -> DataError:
    """Return the error for an encoding that Python does not have."""
    return DataError(f"{path}: unknown encoding {encoding!r}. Set the source's encoding to one that Python knows.")


class _LimitedUnpacker(io.RawIOBase):
    """Content of a gzip file, read up to a limit."""

    def __init__(self, path: Path, packed: gzip.GzipFile, limit: int) -> None:
        self._path, self._packed, self._limit, self._size = path, packed, limit, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        try:
            count = self._packed.readinto(buffer)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self._path}: not a complete gzip file ({error}). Fetch it again.") from None
        self._size += count
        if self._size > self._limit:
            raise DataError(
                f"{self._path}: unpacks to more than {self._limit:,} bytes, over {MAX_RATIO} times its size. "
                "If that is right, unpack it by hand."
            )
        return count


def check_table(path: Path, kind: str) -> None:
    """Raise `DataError` if the content of a file shows another format than that of its kind: csv, jsonl or parquet."""
    with open_unpacked(path) as file:
        start = file.read(1024)
    check_text(path, start if kind != "parquet" else start.removeprefix(b"PAR1"))
    is_utf_16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = start.decode("utf-16" if is_utf_16 else "utf-8-sig", "ignore").lstrip()
    for pattern, what in _TEXT_FORMATS.items():
        if re.match(pattern, text, re.IGNORECASE | re.DOTALL):
            raise DataError(f"{path}: {what}")
    if kind != "jsonl" and re.match(_JSON, text):
        raise DataError(
            f"{path}: a JSON document, not a table. Write it as a .jsonl file with one object per row, each on its own "
            "line."
        )


def check_text(path: Path, content: bytes) -> None:
    """Raise `DataError` if a file has a binary format, which is known by its first bytes."""
    if what := next((what for first, what in _BINARY_FORMATS.items() if content.startswith(first)), None):
        raise DataError(f"{path}: {what}")


def lacks_line_end(path: Path) -> bool:
    """Return whether the last line of a text file has no end, as if the file were cut; False for a packed file."""
    if path.name.lower().endswith(".gz"):  # a cut one cannot be unpacked
        return False
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4))
        return not file.read().rstrip(b"\0").endswith((b"\n", b"\r"))

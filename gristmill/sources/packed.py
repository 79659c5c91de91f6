"""Files packed with gzip, and text files: read with a limit on the unpacked size.

A file may unpack to at most a hundred times its own size, so a gzip bomb cannot fill the memory.
"""

import gzip
import io
import os
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

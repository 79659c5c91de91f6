"""Files packed by gzip, unpacked as far as they are no bombs.

What is read at once takes up to a hundred times the file's size in memory, and never more.

A package and not a module, since each module of `gristmill.sources.rows` is a kind of source (`kinds.py`).
"""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gristmill.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_RATIO = 100  # a file may unpack to this many times its own size: tables and texts shrink to a tenth, rarely a fiftieth
_ALWAYS = 64 << 20  # bytes that any file may unpack to
_BLOCK = 1 << 20


@contextmanager
def unpacked(path: Path, raw: IO[bytes] | None = None, always: int = _ALWAYS) -> Iterator[IO[bytes]]:
    """Give what a file holds, as a stream; one named `.gz` or `.tgz` is unpacked.

    Args:
        path: of the file.
        raw: the file itself, where it is no file on disk.
        always: bytes that it may unpack to, however small it is.

    Raises:
        DataError: within the block, where it is no whole gzip file, or unpacks to more than what is no bomb.
    """
    with raw or path.open("rb") as file:
        if not path.name.lower().endswith((".gz", ".tgz")):
            yield file
            return
        most = limit(file.seek(0, os.SEEK_END), always)
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as packed:
            yield io.BufferedReader(_Unpacked(path, packed, most), _BLOCK)


def limit(size: int, always: int = _ALWAYS) -> int:
    """Return how many bytes a file of a size may unpack to; see `unpacked`."""
    return max(always, _RATIO * size)


def content_of(path: Path, content: bytes | None = None) -> bytes:
    """Return all that a file holds, unpacked where its name tells so.

    Args:
        path: of the file.
        content: its bytes, where it is no file on disk.

    Raises:
        DataError: see `unpacked`.
    """
    with unpacked(path, None if content is None else io.BytesIO(content)) as file:
        return file.read()


class _Unpacked(io.RawIOBase):
    """What a gzip file unpacks to, up to a limit."""

    def __init__(self, path: Path, packed: gzip.GzipFile, most: int) -> None:
        self._path, self._packed, self._most, self._size = path, packed, most, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        try:
            count = self._packed.readinto(buffer)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{self._path}: not a whole gzip file ({error}). Fetch it again.") from None
        self._size += count
        if self._size > self._most:
            raise DataError(
                f"{self._path}: unpacks to more than {self._most:,} bytes, over {_RATIO} times its size. "
                "If that is right, unpack it by hand."
            )
        return count

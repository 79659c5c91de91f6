"""Tar archives, plain or compressed; members are read in any order, and harmful headers are rejected."""

import io
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile

from gristmill.errors import DataError, short_repr
from gristmill.sources import archives
from gristmill.sources.archives import Member
from gristmill.sources.packed import open_unpacked

_MAX_HEADER_BYTES = 1 << 20  # limit for a tar header, which is read at once
_MAX_NAME_LENGTH = 4096  # the limit of Linux


@contextmanager
def open_tar(path: Path) -> Iterator[list[Member]]:
    """Open a tar and yield its files; members of a special type are a `DataError`, damage a `tarfile.TarError`."""
    with _tar_stream(path) as stream:
        reader = _TarReader(stream)
        with tarfile.open(fileobj=reader, mode="r:") as archive:
            _check_tar_headers(path, archive)
            stream.seek(archive.offset)
            if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile treats a damaged header as the end
                raise tarfile.ReadError(f"neither a header nor the end at byte {archive.offset}")
            reader.max_read = archives.MAX_MEMBER_BYTES
            files = [info for info in archive.getmembers() if info.isreg()]
            yield [Member(info.name, info.size, partial(archive.extractfile, info)) for info in files]


def _check_tar_headers(path: Path, archive: tarfile.TarFile) -> None:
    """Read the headers one by one, so that too many or too long ones do not fill the memory."""
    limit = archives.max_members(path.stat().st_size)
    for count, info in enumerate(archive, 1):
        if not info.isdir() and (not info.isreg() or info.issparse()):
            raise archives.not_a_plain_file(path, info.name)
        if count > limit:
            raise archives.too_many_members(path, limit)
        if len(info.name) > _MAX_NAME_LENGTH:
            raise DataError(
                f"{path}, member {short_repr(info.name)}: a name of more than {_MAX_NAME_LENGTH:,} characters. "
                "Rename it, and pack it again."
            )
        info.pax_headers, archive.pax_headers = {}, {}  # frees memory; nothing reads them


@contextmanager
def _tar_stream(path: Path) -> Iterator[io.RawIOBase]:
    """Open a tar; a compressed one is unpacked to a temporary file, since members are read in any order."""
    if archives.suffix_of(path) == ".tar":
        with path.open("rb", buffering=0) as raw:
            yield raw
        return
    with TemporaryFile() as file:
        with open_unpacked(path, always_allowed=archives.ALWAYS_ALLOWED) as content:
            shutil.copyfileobj(content, file, 1 << 20)
        file.seek(0)
        yield file.raw


class _TarReader(io.BufferedReader):
    """Reader that rejects unusually large headers of a tar."""

    max_read = _MAX_HEADER_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= self.max_read:
            raise tarfile.ReadError(f"a header asks for {size} bytes")
        return super().read(size)

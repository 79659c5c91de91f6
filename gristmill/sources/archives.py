"""Zip and tar archives, read member by member: nothing is unpacked, and what could do harm is refused.

A package and not a module, since each module of `gristmill.sources.rows` is a kind of source (`kinds.py`).
"""

import io
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryFile
from typing import IO, cast

from gristmill.errors import DataError, short_repr
from gristmill.sources.packed import limit, unpacked

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
LARGEST = 256 << 20  # bytes of one member

_ALWAYS = 1 << 30  # bytes that any archive may unpack to; a larger one more (`packed.limit`)
_MANY = 100_000  # members that any archive may have; a larger one as many as it has bytes for
_LEAST = 64  # bytes that a member takes at least
_LONGEST_HEADER = 1 << 20  # bytes of a header in a tar, which is read at once
_LONGEST_NAME = 4096  # characters: what Linux takes
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # of which a block is unpacked at a time; of others, all of it
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ENTRY = b"PK\1\2"  # what each entry of a zip's directory begins with
_BLOCK = 1 << 20

Read = Callable[[], bytes]


@dataclass(frozen=True)
class _Member:
    name: str
    size: int  # as declared
    open: Callable[[], IO[bytes] | None]


@contextmanager
def gathered(paths: Iterable[Path], suffixes: tuple[str, ...]) -> Iterator[dict[Path, Read]]:
    """Give files, and those in archives, by their paths, sorted, each with what reads it within the block.

    An archive counts as a folder of its name: `birds.zip` holds `birds/owl/1.jpg`.

    Args:
        paths: files, archives among them.
        suffixes: ends of the names, in lower case, that count in an archive.

    Raises:
        DataError: a file cannot be read, an archive holds what `opened` refuses, or two files bear one path.
    """
    found: dict[Path, Read] = {}
    with ExitStack() as stack:
        for path in paths:
            if path.name.lower().endswith(SUFFIXES):
                folder = path.with_name(path.name[: -len(_suffix(path))])
                inside = stack.enter_context(opened(path, suffixes))
                new = {folder / name: read for name, read in inside.items()}
            else:
                new = {path: partial(_contents, path)}
            if twice := sorted(found.keys() & new.keys()):
                raise DataError(f"{path}: brings {twice[0]} a second time. Remove the archive or the folder.")
            found |= new
        yield dict(sorted(found.items()))


@contextmanager
def opened(path: Path, suffixes: tuple[str, ...]) -> Iterator[dict[str, Read]]:
    """Give the members of an archive by name, sorted, each with what reads it within the block.

    Folders, hidden files, archives in the archive and other files without one of the `suffixes` are left out. The
    stream of a `.tar.gz` goes through a temporary file without a name, since its members lie in any order.

    Raises:
        DataError: the archive is damaged, or holds an absolute name, `..`, a name that is not UTF-8, a link, a
            device, an encrypted member, one of an unusual method, a name twice, or more members or bytes than photos
            do; naming the archive and the member.
    """
    with ExitStack() as stack:
        with told(path):
            members = stack.enter_context(_zip(path) if _suffix(path) == ".zip" else _tar(path))
        counted = _counted(path, members, suffixes)
        _refuse_too_large(path, counted)
        yield {name: partial(_read, path, counted[name]) for name in sorted(counted)}


def _suffix(path: Path) -> str:
    return next(suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix))


def _contents(path: Path) -> bytes:
    with told(path):
        return path.read_bytes()


@contextmanager
def told(what: object) -> Iterator[None]:
    """Tell in one line of what cannot be read within the block, as the standard library and NumPy raise it."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        OSError,
        RuntimeError,  # an unknown method of compression, a password
        ValueError,  # a name that is not in its encoding, a position before the beginning
    ) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{what}: cannot be read whole ({reason}). Fetch it, or pack it, again.") from None


@contextmanager
def _zip(path: Path) -> Iterator[list[_Member]]:
    with path.open("rb", buffering=0) as raw, unzipped(path, raw) as archive:
        for info in archive.infolist():
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _no_plain_file(path, info.filename)
        files = [info for info in archive.infolist() if not info.is_dir()]
        yield [_Member(info.filename, info.file_size, partial(archive.open, info)) for info in files]


@contextmanager
def unzipped(where: object, raw: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Give a zip; refuse what is encrypted, packed by a method of which a few bytes may fill the memory, or too much.

    Raises:
        DataError: naming the member.
    """
    with zipfile.ZipFile(_Counted(where, raw)) as archive:
        for info in archive.infolist():
            if not info.filename:
                raise DataError(f"{where}: a member without a name. Fetch it, or pack it, again.")
            if info.flag_bits & 1:
                raise DataError(f"{where}, member {short_repr(info.filename)}: encrypted. Pack it without a password.")
            if info.compress_type not in _METHODS:
                raise DataError(
                    f"{where}, member {short_repr(info.filename)}: packed by method {info.compress_type}. Pack it by "
                    "deflate, the usual one."
                )
        yield archive


@contextmanager
def _tar(path: Path) -> Iterator[list[_Member]]:
    with _tar_stream(path) as stream:
        guarded = _Guarded(stream)
        with tarfile.open(fileobj=guarded, mode="r:") as archive:
            _refuse_harmful(path, archive)
            stream.seek(archive.offset)
            if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # a damaged header is taken for the end
                raise tarfile.ReadError(f"neither a header nor the end at byte {archive.offset}")
            guarded.most = LARGEST
            files = [info for info in archive.getmembers() if info.isreg()]
            yield [_Member(info.name, info.size, partial(archive.extractfile, info)) for info in files]


def _refuse_harmful(path: Path, archive: tarfile.TarFile) -> None:
    """Read the headers of a tar one by one, of which a bomb has more or longer ones than the memory holds."""
    most = _most_members(path.stat().st_size)
    for count, info in enumerate(archive, 1):
        if not info.isdir() and (not info.isreg() or info.issparse()):
            raise _no_plain_file(path, info.name)
        if count > most:
            raise _too_many(path, most)
        if len(info.name) > _LONGEST_NAME:
            raise DataError(
                f"{path}, member {short_repr(info.name)}: a name of more than {_LONGEST_NAME:,} characters. Rename "
                "it, and pack it again."
            )
        info.pax_headers, archive.pax_headers = {}, {}  # which nobody reads


@contextmanager
def _tar_stream(path: Path) -> Iterator[io.RawIOBase]:
    """Give a tar without its gzip, which goes to a temporary file without a name."""
    if _suffix(path) == ".tar":
        with path.open("rb", buffering=0) as raw:
            yield raw
        return
    with TemporaryFile() as file:
        with unpacked(path, always=_ALWAYS) as content:
            shutil.copyfileobj(content, file, _BLOCK)
        file.seek(0)
        yield file.raw


def _most_members(size: int) -> int:
    """Return how many members an archive of a size may have."""
    return max(_MANY, size // _LEAST)


def _too_many(where: object, most: int) -> DataError:
    return DataError(f"{where}: more than {most:,} members. Pack photos only.")


def _no_plain_file(path: Path, name: str) -> DataError:
    return DataError(f"{path}, member {short_repr(name)}: a link, a device or sparse. Pack plain files only.")


class _Counted(io.BufferedReader):
    """A zip of which the members are counted in its directory's bytes, since an object of each takes tenfold of them.

    `zipfile` reads the directory at once, and believes no count that the zip states.
    """

    def __init__(self, where: object, raw: IO[bytes]) -> None:
        super().__init__(cast(io.RawIOBase, raw))
        self._where, self._most = where, _most_members(self.seek(0, os.SEEK_END))

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        if content.count(_ENTRY) > self._most:
            raise _too_many(self._where, self._most)
        return content


class _Guarded(io.BufferedReader):
    """A tar of which no header is read that is larger than one needs to be: it is a bomb."""

    most = _LONGEST_HEADER

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= self.most:
            raise tarfile.ReadError(f"a header asks for {size} bytes")
        return super().read(size)


def _counted(path: Path, members: Iterable[_Member], suffixes: tuple[str, ...]) -> dict[str, _Member]:
    """Return the members that count, by their plain names; refuse what none may be named."""
    named: dict[str, _Member] = {}
    for member in members:
        name = _safe_name(path, member.name)
        if name in named:
            raise DataError(f"{path}, member {short_repr(name)}: stands in it twice. Pack it again.")
        named[name] = member
    return {
        name: member
        for name, member in named.items()
        if name.lower().endswith(suffixes) and not any(part.startswith(".") for part in PurePosixPath(name).parts)
    }


def _safe_name(path: Path, name: str) -> str:
    """Return a member's name in plain form, without `./`."""
    windows = PureWindowsPath(name)  # knows both separators
    if windows.drive or windows.root or ".." in windows.parts or "\\" in name:
        raise DataError(
            f"{path}, member {short_repr(name)}: leads out of the archive. Pack it with plain relative names."
        )
    if _CONTROLS.search(name):
        raise DataError(
            f"{path}, member {short_repr(name)}: a control character in its name. Rename it, and pack it again."
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(
            f"{path}, member {short_repr(name)}: its name is not UTF-8. Rename it, and pack it again."
        ) from None
    return str(PurePosixPath(name))


def _refuse_too_large(path: Path, members: dict[str, _Member]) -> None:
    for name, member in members.items():
        if member.size > LARGEST:
            raise DataError(
                f"{path}, member {short_repr(name)}: {member.size:,} bytes, more than the {LARGEST:,} that one may "
                "have."
            )
    total, most = sum(member.size for member in members.values()), limit(path.stat().st_size, _ALWAYS)
    if total > most:
        raise DataError(f"{path}: unpacks to {total:,} bytes, more than {most:,}. Pack photos only.")


def _read(path: Path, member: _Member) -> bytes:
    """Return a member's bytes, as many as it declares."""
    what = f"{path}, member {short_repr(member.name)}"
    with told(what):
        file = member.open()
        if file is None:
            raise EOFError("no file")
        with file:
            content = file.read(member.size + 1)
        if len(content) != member.size:
            raise EOFError(f"{len(content):,} bytes, {member.size:,} declared")
    return content

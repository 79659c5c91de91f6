"""Zip and tar archives, read member by member: nothing is unpacked, and what could do harm is refused.

A package and not a module, since each module of `gristmill.sources` is a kind of source (`kinds.py`).
"""

import gzip
import io
import lzma
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
from typing import IO

from gristmill.errors import DataError, shown

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
LARGEST = 256 << 20  # bytes of one member

_ALWAYS = 1 << 30  # bytes that any archive may unpack to
_RATIO = 100  # a larger one to this many times its own size, for photos hardly shrink
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
            device, an encrypted member, a name twice, or more than photos unpack to; naming the archive and the member.
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
        lzma.LZMAError,
        EOFError,
        OSError,
        RuntimeError,  # an unknown method of compression, a password
        ValueError,  # a name that is not in its encoding, a position before the beginning
    ) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{what}: cannot be read whole ({reason}). Fetch it, or pack it, again.") from None


@contextmanager
def _zip(path: Path) -> Iterator[list[_Member]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.flag_bits & 1:
                raise DataError(f"{path}, member {shown(info.filename)}: encrypted. Pack it without a password.")
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _no_plain_file(path, info.filename)
        files = [info for info in archive.infolist() if not info.is_dir()]
        yield [_Member(info.filename, info.file_size, partial(archive.open, info)) for info in files]


@contextmanager
def _tar(path: Path) -> Iterator[list[_Member]]:
    with _tar_stream(path) as stream, tarfile.open(fileobj=_Guarded(stream), mode="r:") as archive:
        for info in archive:
            if not info.isdir() and (not info.isreg() or info.issparse()):
                raise _no_plain_file(path, info.name)
        stream.seek(archive.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile takes a damaged header for the end
            raise tarfile.ReadError(f"neither a header nor the end at byte {archive.offset}")
        files = [info for info in archive.getmembers() if info.isreg()]
        yield [_Member(info.name, info.size, partial(archive.extractfile, info)) for info in files]


@contextmanager
def _tar_stream(path: Path) -> Iterator[io.RawIOBase]:
    """Give a tar without its gzip, which goes to a temporary file without a name."""
    if _suffix(path) == ".tar":
        with path.open("rb", buffering=0) as raw:
            yield raw
        return
    size, limit = 0, _limit(path)
    with TemporaryFile() as unpacked:
        with gzip.open(path) as packed:
            while block := packed.read(_BLOCK):
                size += len(block)
                if size > limit:
                    raise DataError(f"{path}: unpacks to more than {limit:,} bytes. Pack photos only.")
                unpacked.write(block)
        unpacked.seek(0)
        yield unpacked.raw


def _no_plain_file(path: Path, name: str) -> DataError:
    return DataError(f"{path}, member {shown(name)}: a link, a device or sparse. Pack plain files only.")


class _Guarded(io.BufferedReader):
    """A file that is not read beyond the size of a member at once: a header that asks for it is a bomb."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= LARGEST:
            raise tarfile.ReadError(f"a header asks for {size} bytes")
        return super().read(size)


def _limit(path: Path) -> int:
    """Return how many bytes an archive may unpack to."""
    return max(_ALWAYS, _RATIO * path.stat().st_size)


def _counted(path: Path, members: Iterable[_Member], suffixes: tuple[str, ...]) -> dict[str, _Member]:
    """Return the members that count, by their plain names; refuse what none may be named."""
    named: dict[str, _Member] = {}
    for member in members:
        name = _safe_name(path, member.name)
        if name in named:
            raise DataError(f"{path}, member {shown(name)}: stands in it twice. Pack it again.")
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
        raise DataError(f"{path}, member {shown(name)}: leads out of the archive. Pack it with plain relative names.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(f"{path}, member {shown(name)}: its name is not UTF-8. Rename it, and pack it again.") from None
    return str(PurePosixPath(name))


def _refuse_too_large(path: Path, members: dict[str, _Member]) -> None:
    for name, member in members.items():
        if member.size > LARGEST:
            raise DataError(
                f"{path}, member {shown(name)}: {member.size:,} bytes, more than the {LARGEST:,} that one may have."
            )
    total, limit = sum(member.size for member in members.values()), _limit(path)
    if total > limit:
        raise DataError(f"{path}: unpacks to {total:,} bytes, more than {limit:,}. Pack photos only.")


def _read(path: Path, member: _Member) -> bytes:
    """Return a member's bytes, as many as it declares."""
    what = f"{path}, member {shown(member.name)}"
    with told(what):
        file = member.open()
        if file is None:
            raise EOFError("no file")
        with file:
            content = file.read(member.size + 1)
        if len(content) != member.size:
            raise EOFError(f"{len(content):,} bytes, {member.size:,} declared")
    return content

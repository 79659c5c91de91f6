"""Zip and tar archives, read member by member without unpacking to disk; harmful archives are rejected."""

import io
import os
import re
import shutil
import stat
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
from gristmill.sources.file_content import max_unpacked_bytes, open_unpacked

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
MAX_MEMBER_BYTES = 256 << 20
ALWAYS_ALLOWED = 1 << 30  # bytes that any archive may unpack to

_ALWAYS_ALLOWED_MEMBERS = 100_000  # larger archives may have more members (`max_members`)
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MAX_HEADER_BYTES = 1 << 20  # limit for a tar header, which is read at once
_MAX_NAME_LENGTH = 4096  # the limit of Linux
_SPECIAL_FILE = "a link, a device or sparse. Pack plain files only."
_ZIP_ENTRY = b"PK\1\2"  # the first bytes of each entry in a zip's directory

Read = Callable[[], bytes]


@dataclass(frozen=True)
class Member:
    """One file in an archive."""

    name: str
    size: int  # as declared
    open: Callable[[], IO[bytes] | None]


@contextmanager
def open_files(paths: Iterable[Path], suffixes: tuple[str, ...]) -> Iterator[dict[Path, Read]]:
    """Yield the files, including those in archives, by path and sorted; each value reads one within the block.

    An archive counts as a folder of its name: `birds.zip` holds `birds/owl/1.jpg`. Only members with one of the
    lower-case `suffixes` count.

    Raises:
        DataError: a file cannot be read, an archive is rejected by `open_archive`, or two files have one path.
    """
    files: dict[Path, Read] = {}
    with ExitStack() as stack:
        for path in paths:
            if path.name.lower().endswith(SUFFIXES):
                folder = path.with_name(path.name[: -len(suffix_of(path))])
                members = stack.enter_context(open_archive(path, suffixes))
                new_files = {folder / name: read for name, read in members.items()}
            else:
                new_files = {path: partial(_read_file, path)}
            if twice := sorted(files.keys() & new_files.keys()):
                raise DataError(f"{path}: contains {twice[0]} a second time. Remove the archive or the folder.")
            files |= new_files
        yield dict(sorted(files.items()))


@contextmanager
def open_archive(path: Path, suffixes: tuple[str, ...]) -> Iterator[dict[str, Read]]:
    """Yield the members of an archive by name, sorted; each value reads one within the block.

    Folders, hidden files, nested archives and files without one of the `suffixes` are left out.

    Raises:
        DataError: the archive is damaged, too large, or has a member with an unsafe name or of a special type;
            the message names archive and member.
    """
    with ExitStack() as stack:
        with readable(path):
            members = stack.enter_context(_open_zip(path) if suffix_of(path) == ".zip" else _open_tar(path))
        # Any unsafe name rejects the whole archive, also one of a file that does not count.
        by_name: dict[str, Member] = {}
        for member in members:
            name = _check_name(path, member.name)
            if name in by_name:
                raise _member_error(path, name, "in the archive twice. Pack it again.")
            by_name[name] = member
        visible = {name: member for name, member in by_name.items() if not name.startswith(".") and "/." not in name}
        chosen = {name: member for name, member in visible.items() if name.lower().endswith(suffixes)}
        for name, member in chosen.items():
            if member.size > MAX_MEMBER_BYTES:
                problem = f"{member.size:,} bytes, more than the limit of {MAX_MEMBER_BYTES:,}."
                raise _member_error(path, name, problem)
        total = sum(member.size for member in chosen.values())
        if total > (limit := max_unpacked_bytes(path.stat().st_size, ALWAYS_ALLOWED)):
            raise DataError(f"{path}: unpacks to {total:,} bytes, more than {limit:,}. Pack photos only.")
        yield {name: partial(_read_member, path, chosen[name]) for name in sorted(chosen)}


def suffix_of(path: Path) -> str:
    """Return which of `SUFFIXES` the name of an archive has."""
    return next(suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix))


def _read_file(path: Path) -> bytes:
    with readable(path):
        return path.read_bytes()


@contextmanager
def readable(what: object) -> Iterator[None]:
    """Turn errors of the standard library and NumPy about a damaged file into a one-line `DataError`."""
    import tarfile

    try:
        yield
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        OSError,
        RuntimeError,  # an unknown compression method, or a password
        ValueError,  # a name that is not in its encoding, or a negative position
    ) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{what}: cannot be read completely ({reason}). Fetch it, or pack it, again.") from None


@contextmanager
def _open_zip(path: Path) -> Iterator[list[Member]]:
    with path.open("rb", buffering=0) as raw, open_zip(path, raw) as archive:
        members = []
        for info in archive.infolist():
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _member_error(path, info.filename, _SPECIAL_FILE)
            if not info.is_dir():
                members.append(Member(info.filename, info.file_size, partial(archive.open, info)))
        yield members


@contextmanager
def open_zip(where: object, raw: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """Open a zip file.

    Raises:
        DataError: it has too many members, or one that is encrypted or compressed by an unusual method.
    """
    with zipfile.ZipFile(_ZipReader(where, raw)) as archive:
        for info in archive.infolist():
            if not info.filename:
                raise DataError(f"{where}: a member without a name. Fetch it, or pack it, again.")
            if info.flag_bits & 1:
                raise _member_error(where, info.filename, "encrypted. Pack it without a password.")
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # zipfile streams no other
                method = f"compression method {info.compress_type}. Pack it with deflate."
                raise _member_error(where, info.filename, method)
        yield archive


def max_members(size: int) -> int:
    """Return how many members an archive of so many bytes may have; in an archive of photos, each takes far more."""
    return max(_ALWAYS_ALLOWED_MEMBERS, size // 64)


def _too_many_members_error(where: object, limit: int) -> DataError:
    """Return the error about an archive with more members than allowed."""
    return DataError(f"{where}: more than {limit:,} members. Pack photos only.")


def _member_error(where: object, name: str, problem: str) -> DataError:
    return DataError(f"{where}, member {short_repr(name)}: {problem}")


class _ZipReader(io.BufferedReader):
    """Reader that counts a zip's members in the bytes of its directory, before `zipfile` makes an object of each."""

    def __init__(self, where: object, raw: IO[bytes]) -> None:
        super().__init__(cast(io.RawIOBase, raw))
        self._where, self._limit = where, max_members(self.seek(0, os.SEEK_END))

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(size)
        if content.count(_ZIP_ENTRY) > self._limit:
            raise _too_many_members_error(self._where, self._limit)
        return content


@contextmanager
def _open_tar(path: Path) -> Iterator[list[Member]]:
    """Open a tar and yield its files; members of a special type are a `DataError`, damage a `tarfile.TarError`."""
    import tarfile  # late: a run with nothing to do reads no archive

    with _tar_stream(path) as stream:
        reader = _TarReader(stream)
        with tarfile.open(fileobj=reader, mode="r:") as archive:
            # Read the headers one by one, so that too many or too long ones do not fill the memory.
            limit = max_members(path.stat().st_size)
            for count, info in enumerate(archive, 1):
                if not info.isdir() and (not info.isreg() or info.issparse()):
                    raise _member_error(path, info.name, _SPECIAL_FILE)
                if count > limit:
                    raise _too_many_members_error(path, limit)
                if len(info.name) > _MAX_NAME_LENGTH:
                    problem = f"a name of more than {_MAX_NAME_LENGTH:,} characters. Rename it, and pack it again."
                    raise _member_error(path, info.name, problem)
                info.pax_headers, archive.pax_headers = {}, {}  # frees memory; nothing reads them
            stream.seek(archive.offset)
            if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile treats a damaged header as the end
                raise tarfile.ReadError(f"neither a header nor the end at byte {archive.offset}")
            reader.max_read = MAX_MEMBER_BYTES
            files = [info for info in archive.getmembers() if info.isreg()]
            yield [Member(info.name, info.size, partial(archive.extractfile, info)) for info in files]


@contextmanager
def _tar_stream(path: Path) -> Iterator[io.RawIOBase]:
    """Open a tar; a compressed one is unpacked to a temporary file, since members are read in any order."""
    if suffix_of(path) == ".tar":
        with path.open("rb", buffering=0) as raw:
            yield raw
        return
    with TemporaryFile() as file:
        with open_unpacked(path, always_allowed=ALWAYS_ALLOWED) as content:
            shutil.copyfileobj(content, file, 1 << 20)
        file.seek(0)
        yield file.raw


class _TarReader(io.BufferedReader):
    """Reader that rejects unusually large headers of a tar."""

    max_read = _MAX_HEADER_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        import tarfile

        if size is None or not 0 <= size <= self.max_read:
            raise tarfile.ReadError(f"a header asks for {size} bytes")
        return super().read(size)


def _check_name(path: Path, name: str) -> str:
    """Return a member's name without `./`."""
    windows = PureWindowsPath(name)  # knows both separators
    if windows.drive or windows.root or ".." in windows.parts or "\\" in name:
        raise _member_error(path, name, "leads out of the archive. Pack it with plain relative names.")
    if _CONTROL_CHARACTERS.search(name):
        raise _member_error(path, name, "a control character in its name. Rename it, and pack it again.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _member_error(path, name, "its name is not UTF-8. Rename it, and pack it again.") from None
    return str(PurePosixPath(name))


def _read_member(path: Path, member: Member) -> bytes:
    """Return a member's bytes; fail unless there are as many as declared."""
    with readable(f"{path}, member {short_repr(member.name)}"):
        file = member.open()
        if file is None:
            raise EOFError("no file")
        with file:
            content = file.read(member.size + 1)
        if len(content) != member.size:
            raise EOFError(f"{len(content):,} bytes, {member.size:,} declared")
    return content

"""Files that survive a kill at any moment, errors of the disk, and a cache of results computed from files.

`write_atomically`, and `flush_folder` followed by `rename_folder`, make a file or folder appear whole or not at all.
`StatCache` avoids hashing gigabytes and parsing source again: it remembers a result with the size, times and inode of
its file, and computes it again when any of them differs. The change time reveals even a restored modification time.
"""

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from gristmill import keys
from gristmill.errors import SourceChanged, StoreError

Stat = list[int]  # size, mtime_ns, ctime_ns, inode: a list, as JSON returns it

# Two writes within one tick of the file system's clock leave the same stat, so results are remembered only for files
# that are older than this. Two seconds is the coarsest clock in use (FAT); a younger file is read once more.
MIN_AGE_NS = 2_000_000_000


@contextlib.contextmanager
def translate_disk_errors(root: Path) -> Iterator[None]:
    """Turn an `OSError` of the disk below `root` into a `StoreError`; other errors pass unchanged."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreError(f"{root}: the disk is full. Free space (gristmill gc) and run again.") from None
        if error.filename is None and error.errno not in (errno.EIO, errno.EROFS):
            raise
        place = Path(error.filename or root)
        if place.is_relative_to(root) or root.is_relative_to(place):
            raise StoreError(
                f"{place}: the store is not writable ({error.strerror}). "
                "Fix it, or set GRISTMILL_STORE or [defaults] store."
            ) from None
        raise


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name; the file written there is flushed to disk, then renamed over what was at `path`."""
    aside = temporary_name(path)
    try:
        yield aside
        flush_to_disk(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    flush_to_disk(path.parent)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file by `atomic_file`."""
    with atomic_file(path) as aside:
        aside.write_bytes(content.encode() if isinstance(content, str) else content)


def create_atomically(path: Path, content: str | bytes) -> bool:
    """Write a file that does not exist yet; return whether this process was the first to do so."""
    aside = temporary_name(path)
    try:
        write_atomically(aside, content)
        path.hardlink_to(aside)  # unlike a rename, this fails if the file exists
    except FileExistsError:
        return False
    finally:
        aside.unlink(missing_ok=True)
    flush_to_disk(path.parent)
    return True


def temporary_name(path: Path) -> Path:
    """Return a hidden, unique name next to `path`; `gc` removes a file of such a name that a kill leaves."""
    return path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON value atomically, indented for people."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def flush_folder(folder: Path) -> None:
    """Flush a folder and everything below it to disk."""
    for path in [*folder.rglob("*"), folder]:
        flush_to_disk(path)


def rename_folder(aside: Path, final: Path) -> None:
    """Rename a flushed folder to its visible name; raise `OSError` if that exists and is not empty."""
    aside.rename(final)
    flush_to_disk(final.parent)


def link_or_copy(source: Path, target: Path) -> None:
    """Hard-link a file that nobody writes to any more; copy it if the disk cannot link."""
    try:
        target.hardlink_to(source)
    except OSError:  # another owner's file, too many links, no links; copying fails for any other reason too
        shutil.copyfile(source, target)


def remove_older(folders: Iterable[Path], seconds: float) -> None:
    """Remove folders that killed processes have left; those that others still use are younger than `seconds`."""
    for folder in folders:
        with contextlib.suppress(OSError):
            if folder.stat().st_mtime < time.time() - seconds:
                shutil.rmtree(folder, ignore_errors=True)


def files_below(folder: Path) -> list[Path]:
    """Return every file below `folder`, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flush_to_disk(path: Path) -> None:
    """Flush a file or folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stat_of(path: Path | str) -> Stat:
    """Return the values of a file's stat that change when the file is written to."""
    stat = os.stat(path)  # noqa: PTH116 - a run with nothing to do reads hundreds, and Path takes twice as long
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


class ChangeDetector:
    """Detects whether a file was modified while it was read."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._before = {path: self._stat(path) for path in paths}

    def check(self) -> None:
        """Raise `SourceChanged` if a file was modified or removed."""
        for path, stat in self._before.items():
            if self._stat(path) != stat:
                raise self._changed(path)

    def _stat(self, path: Path) -> Stat:
        try:
            return stat_of(path)
        except FileNotFoundError:
            raise self._changed(path) from None

    @staticmethod
    def _changed(path: Path) -> SourceChanged:
        return SourceChanged(f"{path}: changed while it was read. Run again once nothing writes to it.")


class StatCache:
    """Results computed from the content of files, in one small JSON file for each folder and kind of work."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def recall(
        self,
        folder: Path,
        names: Iterable[str],
        work: Callable[[Path], Any],
        version: str,
        follow: Callable[[Any], Iterable[str]] = lambda _: (),
    ) -> dict[str, Any]:
        """Return the result of `work` for each named file below `folder`, computed only if the file's stat changed.

        `work` computes a JSON value from a file's content and from nothing else; results of another `version` of it are
        not used. `follow` returns further names, given a result. `FileNotFoundError` is raised if a file does not
        exist.
        """
        path = self._root / f"{keys.digest_of([version, str(folder)])[:32]}.json"
        cached = _load(path)
        newest_cacheable = time.time_ns() - MIN_AGE_NS
        fresh: dict[str, tuple[Stat, Any]] = {}
        waiting = list(names)
        for name in waiting:
            if name not in fresh:
                file = f"{folder}/{name}"
                stat = stat_of(file)
                before, value = cached.get(name, (None, None))
                fresh[name] = (stat, value if before == stat else work(folder / name))
                waiting.extend(follow(fresh[name][1]))
        cacheable = {name: [stat, value] for name, (stat, value) in fresh.items() if stat[2] < newest_cacheable}
        if any(cached.get(name) != entry for name, entry in cacheable.items()):
            # The cache only saves work, so a store that cannot be written to is no reason to stop.
            with contextlib.suppress(OSError, UnicodeError):
                path.parent.mkdir(parents=True, exist_ok=True)
                files = cached | cacheable
                write_json(path, {"files": files, "seal": _seal(files)})
        return {name: value for name, (_, value) in fresh.items()}

    def digests(self, folder: Path, names: Iterable[str]) -> dict[str, str]:
        """Return the SHA-256 of each named file below `folder`; raise `FileNotFoundError` if one is missing."""
        return self.recall(folder, names, keys.digest_of_file, "sha256")

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of one file."""
        return self.digests(path.parent, [path.name])[path.name]


def _load(path: Path) -> dict[str, Any]:
    """Return the content of a cache file; empty if the file is missing, damaged or foreign."""
    try:
        cache = json.loads(path.read_bytes())
        files: dict[str, Any] = cache["files"]
        return files if cache["seal"] == _seal(files) else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _seal(files: dict[str, Any]) -> str:
    return keys.digest_of_bytes(json.dumps(files).encode())

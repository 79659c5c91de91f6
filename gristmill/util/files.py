"""Files that survive a kill at any moment, and results computed from files, remembered by the file's stat.

`write_atomically`, and `flush_folder` followed by `rename_folder`, make a file or folder appear whole or not at all.
`StatCache` avoids hashing gigabytes and parsing source again: a result is remembered with the size, times and inode of
its file. Any difference, even a restored modification time (the change time shows it), makes it compute anew.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

from gristmill import keys
from gristmill.errors import SourceChanged

Stat = list[int]  # size, mtime_ns, ctime_ns, inode: what JSON gives back

# A file written to within one tick of its clock looks unchanged, so only what came of a file that has rested this long
# is remembered. Two seconds is the coarsest clock in use (FAT); the price is reading a young file once more.
_MIN_AGE_NS = 2_000_000_000


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write `content` to `path`: written aside, flushed to disk, then renamed over what was there."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        with aside.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    flush_to_disk(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON value atomically, indented for people."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def flush_folder(folder: Path) -> None:
    """Flush every file and folder below `folder`, and itself, to disk."""
    for path in [*folder.rglob("*"), folder]:
        flush_to_disk(path)


def rename_folder(aside: Path, final: Path) -> None:
    """Rename a flushed folder to where it can be seen.

    Raises:
        OSError: `final` exists and is not empty (`errno.ENOTEMPTY` or `EEXIST`), or the disk failed.
    """
    aside.rename(final)
    flush_to_disk(final.parent)


def link_or_copy(path: Path, own: Path) -> None:
    """Give a file, which nobody writes to any more, a second place; where the disk cannot link, it is copied."""
    try:
        own.hardlink_to(path)
    except OSError:  # another owner's, too many links, no links here; what fails for another reason fails again
        shutil.copyfile(path, own)


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


def stat_of(path: Path) -> Stat:
    """Return what tells whether a file was touched since it was last looked at."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


class ChangeDetector:
    """Remembers how files stood, to tell whether one was touched while it was read."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._before = {path: self._look(path) for path in paths}

    def check(self) -> None:
        """Raise `SourceChanged` where a file is gone or was touched since."""
        for path, stat in self._before.items():
            if self._look(path) != stat:
                self._refuse(path)

    def _look(self, path: Path) -> Stat:
        try:
            return stat_of(path)
        except FileNotFoundError:
            self._refuse(path)

    @staticmethod
    def _refuse(path: Path) -> NoReturn:
        raise SourceChanged(f"{path}: changed while it was read. Run again once nothing writes to it.")


class StatCache:
    """What was worked out from the content of files, remembered in small JSON files, one for each folder and work."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def recall(self, folder: Path, names: Iterable[str], work: Callable[[Path], Any], version: str) -> dict[str, Any]:
        """Return what `work` makes of each named file below `folder`, doing it only where the stat has changed.

        Args:
            folder: where the files lie.
            names: of the files, relative to it.
            work: makes a JSON value of a file's content and of nothing else.
            version: of the work. What another version made is not taken.

        Raises:
            FileNotFoundError: a file does not exist.
        """
        path = self._root / f"{keys.digest_of([version, str(folder)])[:32]}.json"
        known = _load(path)
        rested_before = time.time_ns() - _MIN_AGE_NS
        fresh: dict[str, tuple[Stat, Any]] = {}
        for name in names:
            stat = stat_of(folder / name)
            before, value = known.get(name, (None, None))
            fresh[name] = (stat, value if before == stat else work(folder / name))
        rested = {name: [stat, value] for name, (stat, value) in fresh.items() if stat[2] < rested_before}
        if any(known.get(name) != entry for name, entry in rested.items()):
            # Remembering saves work and nothing else, so a store that cannot be written to is no reason to stop.
            with contextlib.suppress(OSError, UnicodeError):
                path.parent.mkdir(parents=True, exist_ok=True)
                files = known | rested
                write_json(path, {"files": files, "seal": _seal(files)})
        return {name: value for name, (_, value) in fresh.items()}

    def digests(self, folder: Path, names: Iterable[str]) -> dict[str, str]:
        """Return the SHA-256 of each named file below `folder`.

        Raises:
            FileNotFoundError: a file does not exist.
        """
        return self.recall(folder, names, keys.digest_of_file, "sha256")

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of one file."""
        return self.digests(path.parent, [path.name])[path.name]


def _load(path: Path) -> dict[str, Any]:
    """Return what a memo's file holds; nothing where it is not there, damaged or not ours: it is worked out again."""
    try:
        memo = json.loads(path.read_bytes())
        files: dict[str, Any] = memo["files"]
        return files if memo["seal"] == _seal(files) else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _seal(files: dict[str, Any]) -> str:
    return keys.digest_of_bytes(json.dumps(files).encode())

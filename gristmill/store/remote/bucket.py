"""The few operations on a shared store's file system, by fsspec; a failure is one line that names the URL.

fsspec and what it brings are imported at the first operation: a run that asks the shared store nothing loads nothing.
"""

import errno
import hashlib
import os
import re
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from gristmill.errors import RequestError, StoreError
from gristmill.util.urls import strip_credentials

_AT_A_TIME = 4  # files that are sent or fetched side by side
_PATIENCE = 10.0  # seconds for which a store that could not be reached is not tried again
_BLOCK = 1 << 20  # bytes that are hashed at once
_CONFLICTS = 5  # attempts at a file that another machine is just creating
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # what only a file of this machine fails with
_FAILURES = {"botocore.exceptions": ("BotoCoreError", "ClientError"), "aiohttp": ("ClientError",)}
"""What libraries below fsspec raise besides `OSError`, by module."""


class Bucket:
    """Files below a URL, by their names relative to it."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._lost = (float("-inf"), "")  # when it could not be reached last, and why

    def where(self, name: str) -> str:
        """Return the URL of a file, for messages."""
        return f"{self.url}/{name}"

    def check_exists(self) -> None:
        """Raise `RequestError` where the bucket does not exist: its name may be mistyped."""
        with self._told(""):
            fs, root = self._open()
            try:
                fs.info(f"{root}/runs")  # a new store is empty: what is below need not be there
            except FileNotFoundError as error:
                if _is_of_bucket(error):
                    raise RequestError(self._no_bucket(error)) from None

    def read(self, name: str) -> bytes | None:
        """Return what a file holds, None where there is none."""
        with self._told(name), _missing_is_none():
            fs, root = self._open()
            content: bytes = fs.cat_file(f"{root}/{name}")
            return content
        return None

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return what files hold, by name; one that is gone by now is left out."""
        asked = list(names)
        with self._told(asked[0] if asked else ""):
            fs, root = self._open()
            found = fs.cat([f"{root}/{name}" for name in asked], on_error="return") if asked else {}
            for failure in found.values():
                if isinstance(failure, Exception):
                    with _missing_is_none():
                        raise failure
            return {path.removeprefix(f"{root}/"): read for path, read in found.items() if isinstance(read, bytes)}

    def write(self, name: str, content: bytes) -> None:
        """Write a file, over what was there."""
        with self._told(name):
            fs, root = self._open()
            self._make_folder(fs, f"{root}/{name}")
            fs.pipe_file(f"{root}/{name}", content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file that is not there yet; return whether this process was the first to.

        Content that others could write as well tells nothing: a request that was sent again, for its answer was lost,
        finds the file of the first one, and takes it for its own by what it holds.
        """
        with self._told(name):
            fs, root = self._open()
            self._make_folder(fs, f"{root}/{name}")
            for attempt in range(_CONFLICTS):
                try:
                    fs.pipe_file(f"{root}/{name}", content, mode="create")
                    return True
                except OSError as error:
                    code = _code(error)
                    if isinstance(error, FileExistsError) or code == "PreconditionFailed":
                        return bool(fs.cat_file(f"{root}/{name}") == content)
                    if code != "ConditionalRequestConflict" or attempt == _CONFLICTS - 1:
                        raise
                    time.sleep(2.0**attempt / 10)  # another one is being written: who was first is not known yet
        raise AssertionError("either written or raised")

    def upload(self, files: Mapping[str, Path]) -> None:
        """Send files, by the names they get."""
        if not files:
            return
        with self._told(next(iter(files))):
            fs, root = self._open()
            for name in files:
                self._make_folder(fs, f"{root}/{name}")
            fs.put([str(path) for path in files.values()], [f"{root}/{name}" for name in files], batch_size=_AT_A_TIME)

    def download(self, files: Mapping[Path, str]) -> None:
        """Fetch files to where they shall lie.

        Raises:
            FileNotFoundError: one is not there.
        """
        if not files:
            return
        with self._told(next(iter(files.values()))):
            fs, root = self._open()
            fs.get([f"{root}/{name}" for name in files.values()], [str(path) for path in files], batch_size=_AT_A_TIME)

    def below(self, folder: str) -> dict[str, tuple[int, float]]:
        """Return the files in a folder and in those within: name to size in bytes and age in seconds."""
        with self._told(folder):
            fs, root = self._open()
            with _missing_is_none():
                found: dict[str, dict[str, Any]] = fs.find(f"{root}/{folder}", detail=True)
                return {path.removeprefix(f"{root}/"): _size_and_age(info) for path, info in found.items()}
        return {}

    def look(self, name: str) -> tuple[int, float] | None:
        """Return a file's size in bytes and its age in seconds, None where there is none."""
        with self._told(name), _missing_is_none():
            fs, root = self._open()
            return _size_and_age(fs.info(f"{root}/{name}"))
        return None

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file, which is read block by block and kept nowhere.

        Raises:
            FileNotFoundError: it is not there.
        """
        with self._told(name):
            fs, root = self._open()
            sha256 = hashlib.sha256()
            with fs.open(f"{root}/{name}", "rb") as file:
                while block := file.read(_BLOCK):
                    sha256.update(block)
            return sha256.hexdigest()

    def remove(self, name: str) -> None:
        """Remove a file that may be gone already."""
        with self._told(name), _missing_is_none():
            fs, root = self._open()
            fs.rm_file(f"{root}/{name}")

    def prove_writable(self) -> None:
        """Raise `StoreError` where nothing can be written, or where a second file takes the first one's place.

        All that is shared rests on the latter: the machine whose result, version or promotion came first is the one
        that wrote the file, and no other.
        """
        name = f".writable/{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
        self.create(name, b"first\n")
        try:
            if self.create(name, b"second\n"):
                raise StoreError(
                    f"{self.url}: a file that is there was written a second time, though it was to be created only if "
                    "it is not (If-None-Match). Two machines would overwrite each other's results. Use a server that "
                    "heeds it."
                )
        finally:
            self.remove(name)

    def _open(self) -> tuple[Any, str]:
        """Return the file system, a new one after a fork, and the path of the root on it."""
        from fsspec.core import url_to_fs  # late: see above

        try:
            # What other machines write is to be seen at once, so no listing is remembered.
            fs, root = url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise RequestError(
                f"{self.url}: cannot be opened ({_line(error)}). Install what it needs, or correct [defaults] store."
            ) from None
        return fs, root.rstrip("/")

    @staticmethod
    def _make_folder(fs: Any, path: str) -> None:
        """Make the folder of a file where the file system has folders; a bucket has none, and is not to be made."""
        if not hasattr(fs, "split_path"):
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Turn failures into a `StoreError`; a file that is not there is for the caller to tell of."""
        when, why = self._lost
        if time.monotonic() - when < _PATIENCE:  # each attempt takes seconds
            raise self._unreachable(name, why)
        try:
            yield
        except _failures() as error:
            if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK):
                raise  # of a file of this machine
            if isinstance(error, FileNotFoundError):
                if not _is_of_bucket(error):
                    raise
                raise StoreError(self._no_bucket(error)) from None
            if isinstance(error, PermissionError):
                why = f"not allowed ({_line(error)}). Correct the credentials, or what they may do."
                raise StoreError(f"{self.where(name)}: {why}") from None
            self._lost = (time.monotonic(), _line(error))
            raise self._unreachable(name, _line(error)) from None

    def _no_bucket(self, error: FileNotFoundError) -> str:
        return f"{self.url}: {_line(error)}. Create it, or correct GRISTMILL_STORE or [defaults] store."

    def _unreachable(self, name: str, why: str) -> StoreError:
        return StoreError(
            f"{self.where(name).rstrip('/')}: the shared store cannot be reached ({why}). "
            "Look at the network, AWS_ENDPOINT_URL and the credentials, and run again."
        )


@contextmanager
def _missing_is_none() -> Iterator[None]:
    """Suppress that a file is not there, but not that the whole bucket is not."""
    try:
        yield
    except FileNotFoundError as error:
        if _is_of_bucket(error):
            raise


def _is_of_bucket(error: FileNotFoundError) -> bool:
    """Whether it is the bucket that does not exist."""
    return _code(error) == "NoSuchBucket"


def _failures() -> tuple[type[Exception], ...]:
    """Return the failures of the system and of those libraries that are loaded."""
    loaded = ((sys.modules[module], names) for module, names in _FAILURES.items() if module in sys.modules)
    return (OSError, *(getattr(module, name) for module, names in loaded for name in names))


def _code(error: BaseException) -> str | None:
    """Return the code by which an S3 server named a failure, which s3fs tells of as an `OSError`."""
    response = getattr(error.__cause__ or error.__context__, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def _size_and_age(info: Mapping[str, Any]) -> tuple[int, float]:
    """Return what a file system tells of a file; where it does not tell when it was written, the file counts as new."""
    when = info.get("LastModified") or info.get("mtime") or info.get("updated") or info.get("created")
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    if isinstance(when, datetime):
        when = when.timestamp()
    return int(info["size"] or 0), time.time() - float(when) if when else 0.0


def _line(error: BaseException) -> str:
    """Return what an error says in one line, without what nobody should read."""
    said = re.sub(r"\s+", " ", strip_credentials(str(error))).strip().rstrip(".")
    return said or type(error).__name__

"""File operations of a shared store, through fsspec; a failure is one line that names the URL.

fsspec and its dependencies are imported at the first operation, so a run that asks the shared store nothing loads
nothing. Every operation raises `StoreError` if the store cannot be reached.
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

_PARALLEL_TRANSFERS = 4
_RETRY_DELAY = 10.0  # seconds to wait before an unreachable store is tried again
_HASH_BLOCK = 1 << 20  # bytes
_MAX_CREATE_ATTEMPTS = 5  # attempts while another machine creates the same file
_LOCAL_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # only raised for files of this machine
_PROTOCOLS_WITHOUT_FOLDERS = frozenset(("s3", "gs", "az"))
_FAILURES = {"botocore.exceptions": ("BotoCoreError", "ClientError"), "aiohttp": ("ClientError",)}
"""Exceptions of libraries below fsspec that are not subclasses of `OSError`, by module."""


class Bucket:
    """Files below a URL, by their names relative to it."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._last_failure = (float("-inf"), "")  # time and reason

    def url_of(self, name: str) -> str:
        """Return the URL of a file, for messages."""
        return f"{self.url}/{name}"

    def check_exists(self) -> None:
        """Raise `RequestError` if the bucket does not exist: its name may be mistyped."""
        with self._access("") as (fs, root):
            try:
                fs.info(f"{root}/runs")  # a new store is empty, so the file itself need not exist
            except FileNotFoundError as error:
                if _is_missing_bucket(error):
                    raise RequestError(self._no_bucket(error)) from None

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if it does not exist."""
        with self._access(name, missing_ok=True) as (fs, root):
            content: bytes = fs.cat_file(f"{root}/{name}", **_in_one_request(fs))
            return content
        return None

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the content of files by name; a file that does not exist is left out."""
        requested = list(names)
        with self._access(requested[0] if requested else "") as (fs, root):
            paths = [f"{root}/{name}" for name in requested]
            contents = fs.cat(paths, on_error="return", **_in_one_request(fs)) if paths else {}
            for failure in contents.values():
                if isinstance(failure, Exception) and not _is_missing_file(failure):
                    raise failure
            return {path.removeprefix(f"{root}/"): read for path, read in contents.items() if isinstance(read, bytes)}

    def write(self, name: str, content: bytes) -> None:
        """Write a file, replacing an existing one."""
        with self._access(name) as (fs, root):
            self._make_folder(fs, f"{root}/{name}")
            fs.pipe_file(f"{root}/{name}", content)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file that does not exist yet; return whether this process was the first to do so.

        A request whose answer was lost is sent again and finds its own file, which it recognises by the content. So
        `content` must be something that no other process writes.
        """
        with self._access(name) as (fs, root):
            self._make_folder(fs, f"{root}/{name}")
            for attempt in range(_MAX_CREATE_ATTEMPTS):
                try:
                    fs.pipe_file(f"{root}/{name}", content, mode="create")
                    return True
                except OSError as error:
                    code = _code(error)
                    if isinstance(error, FileExistsError) or code == "PreconditionFailed":
                        return bool(fs.cat_file(f"{root}/{name}") == content)
                    if code != "ConditionalRequestConflict" or attempt == _MAX_CREATE_ATTEMPTS - 1:
                        raise
                    time.sleep(2.0**attempt / 10)  # another upload is in progress, and the order is not known yet
        raise AssertionError("either written or raised")

    def upload(self, files: Mapping[str, Path]) -> None:
        """Upload files, by their names in the bucket."""
        if not files:
            return
        with self._access(next(iter(files))) as (fs, root):
            targets = [f"{root}/{name}" for name in files]
            for target in targets:
                self._make_folder(fs, target)
            fs.put([str(path) for path in files.values()], targets, batch_size=_PARALLEL_TRANSFERS)

    def download(self, files: Mapping[Path, str]) -> None:
        """Download files to local paths; raise `FileNotFoundError` if one does not exist."""
        if not files:
            return
        with self._access(next(iter(files.values()))) as (fs, root):
            sources = [f"{root}/{name}" for name in files.values()]
            fs.get(sources, [str(path) for path in files], batch_size=_PARALLEL_TRANSFERS)

    def list_files(self, folder: str) -> dict[str, tuple[int, float]]:
        """Return all files below a folder: name to size in bytes and age in seconds."""
        with self._access(folder, missing_ok=True) as (fs, root):
            infos: dict[str, dict[str, Any]] = fs.find(f"{root}/{folder}", detail=True)
            return {path.removeprefix(f"{root}/"): _size_and_age(info) for path, info in infos.items()}
        return {}

    def size_and_age(self, name: str) -> tuple[int, float] | None:
        """Return a file's size in bytes and age in seconds; None if it, or the whole bucket, does not exist."""
        with self._access(name, missing_ok=True) as (fs, root):
            info = fs.info(f"{root}/{name}")
            return _size_and_age(info) if info["type"] == "file" else None
        return None

    def digest(self, name: str) -> str:
        """Return the SHA-256 of a file, read in blocks; raise `FileNotFoundError` if it does not exist."""
        with self._access(name) as (fs, root):
            sha256 = hashlib.sha256()
            with fs.open(f"{root}/{name}", "rb") as file:
                while block := file.read(_HASH_BLOCK):
                    sha256.update(block)
            return sha256.hexdigest()

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        with self._access(name, missing_ok=True) as (fs, root):
            fs.rm_file(f"{root}/{name}")

    def check_writable(self) -> None:
        """Raise `StoreError` if nothing can be written, or if creating a file twice replaces the first one.

        Sharing relies on exclusive creation: only the machine with the first result, version or promotion writes the
        file.
        """
        name = f".writable/{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
        self.create(name, b"first\n")
        try:
            if self.create(name, b"second\n"):
                raise StoreError(
                    f"{self.url}: the server overwrote an existing file, though it was to be created only if it does "
                    "not exist (If-None-Match). Two machines would overwrite each other's results. Use a server that "
                    "supports conditional writes."
                )
        finally:
            self.remove(name)

    def _open(self) -> tuple[Any, str]:
        """Return the file system, a new one after a fork, and the path of the root on it."""
        from fsspec.core import url_to_fs  # late, see above

        try:
            # Files of other machines must be visible at once, so listings are not cached.
            fs, root = url_to_fs(self.url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise RequestError(
                f"{self.url}: cannot be opened ({_line(error)}). Install what it needs, or correct [defaults] store."
            ) from None
        return fs, root.rstrip("/")

    @staticmethod
    def _make_folder(fs: Any, path: str) -> None:
        """Create the folder of a file on a file system that has folders; buckets have none."""
        if _PROTOCOLS_WITHOUT_FOLDERS.isdisjoint(_protocols(fs)):
            fs.makedirs(path.rpartition("/")[0], exist_ok=True)

    @contextmanager
    def _access(self, name: str, missing_ok: bool = False) -> Iterator[tuple[Any, str]]:
        """Yield the file system and the path of its root; turn failures into a `StoreError` that names a file.

        A missing file raises `FileNotFoundError`, or is ignored if `missing_ok`.
        """
        when, why = self._last_failure
        if time.monotonic() - when < _RETRY_DELAY:  # each attempt takes seconds
            raise self._unreachable(name, why)
        try:
            yield self._open()
        except _failures() as error:
            if missing_ok and _is_missing_file(error):
                return
            if isinstance(error, OSError) and (error.filename is not None or error.errno in _LOCAL_DISK_ERRORS):
                raise  # an error of this machine's disk
            if isinstance(error, FileNotFoundError):
                if not _is_missing_bucket(error):
                    raise
                raise StoreError(self._no_bucket(error)) from None
            if isinstance(error, PermissionError):
                why = f"not allowed ({_line(error)}). Correct the credentials, or what they may do."
                raise StoreError(f"{self.url_of(name)}: {why}") from None
            self._last_failure = (time.monotonic(), _line(error))
            raise self._unreachable(name, _line(error)) from None

    def _no_bucket(self, error: FileNotFoundError) -> str:
        return f"{self.url}: {_line(error)}. Create it, or correct GRISTMILL_STORE or [defaults] store."

    def _unreachable(self, name: str, why: str) -> StoreError:
        return StoreError(
            f"{self.url_of(name).rstrip('/')}: the shared store cannot be reached ({why}). "
            "Check the network, AWS_ENDPOINT_URL and the credentials, and run again."
        )


def _is_missing_file(error: Exception) -> bool:
    return isinstance(error, FileNotFoundError) and not _is_missing_bucket(error)


def _is_missing_bucket(error: Exception) -> bool:
    return _code(error) == "NoSuchBucket"


def _failures() -> tuple[type[Exception], ...]:
    """Return the exceptions of the system and of those libraries that are loaded."""
    loaded = ((sys.modules[module], names) for module, names in _FAILURES.items() if module in sys.modules)
    return (OSError, *(getattr(module, name) for module, names in loaded for name in names))


def _code(error: BaseException) -> str | None:
    """Return the error code of an S3 server, which s3fs hides behind an `OSError`."""
    response = getattr(error.__cause__ or error.__context__, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def _in_one_request(fs: Any) -> dict[str, int]:
    """Return the option by which s3fs reads small files without asking for their size first."""
    return {"max_concurrency": 1} if "s3" in _protocols(fs) else {}


def _protocols(fs: Any) -> tuple[str, ...]:
    """Return the schemes of URLs that a file system reads."""
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)


def _size_and_age(info: Mapping[str, Any]) -> tuple[int, float]:
    """Return size and age from a file system's information; a file of unknown age counts as new."""
    when = info.get("LastModified") or info.get("mtime") or info.get("updated") or info.get("created")
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    if isinstance(when, datetime):
        when = when.timestamp()
    return int(info["size"] or 0), time.time() - float(when) if when else 0.0


def _line(error: BaseException) -> str:
    """Return the text of an error in one line, without credentials."""
    text = re.sub(r"\s+", " ", strip_credentials(str(error))).strip().rstrip(".")
    return text or type(error).__name__

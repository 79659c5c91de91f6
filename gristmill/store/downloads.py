"""Files fetched from URLs: complete and verified, or absent.

Servers are not trusted: the size and duration of a download and the schemes of redirects are limited, and a file is
only used if it has the expected hash. Only `refresh` takes any content:

    root/downloads/refreshed/<hash of the URL>/latest.json          SHA-256 of the last content, `ETag`, `Last-Modified`
    root/downloads/refreshed/<hash of the URL>/<sha256>/<name>      this content and the one before

The library httpx is imported late, because runs with nothing to do fetch nothing.
"""

import hashlib
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from gristmill.errors import DataError
from gristmill.store.store import Store
from gristmill.util.files import atomic_file, flush_to_disk, temporary_name, translate_disk_errors, write_json
from gristmill.util.urls import LATEST, file_name, read_latest, refreshed_folder

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

_TIMEOUT = 30.0  # seconds without a byte
_MAX_SECONDS = 6 * 3600.0  # of one download
_MAX_BYTES = 16 << 30
_MAX_REDIRECTS = 5
_REMEDY = "Fetch the file by hand and give its path."
_CONDITIONS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}  # of an answer, and of the next request
_CONTENTS_KEPT = 2  # of a URL with `refresh`: another run may still read the one before


def fetch(url: str, file: Path, sha256: str, store: Store) -> None:
    """Fetch the file of a URL, unless it is there and undamaged, and keep it only if it has the expected hash.

    Raises:
        DataError: the server cannot be reached, refuses, or returns another file than the expected one.
        StoreError: the store cannot be written to.
    """
    with store.lock(sha256):  # one download, however many pipelines wait for it
        if file.is_file() and store.memo.digest(file) == sha256:
            return
        logger.info("fetching %s", url)
        with translate_disk_errors(store.root):
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(file) as aside:
                received, _ = _stream(url, aside)
                if received != sha256:
                    raise DataError(
                        f"{url}: the file has SHA-256 {received}, but sha256 = {sha256} is expected. "
                        "Set sha256 to the first if you trust the file, or use the expected file."
                    )


def fetch_new(url: str, folder: Path) -> str:
    """Fetch a file whose hash is not known yet into a folder that is named by its SHA-256, and return this.

    `DataError` is raised if the server cannot be reached or refuses.
    """
    aside = temporary_name(folder / file_name(url))
    sha256, _ = _stream(url, aside)
    (folder / sha256).mkdir()
    aside.rename(folder / sha256 / file_name(url))
    return sha256


def refresh(url: str, store: Store) -> None:
    """Fetch the current content of a URL and keep it by its hash, unless the server says that it has not changed.

    Raises:
        DataError: the server cannot be reached or refuses. The content that is known stays.
        StoreError: the store cannot be written to.
    """
    folder = refreshed_folder(url, store.root / "downloads")
    with store.lock(folder.name), translate_disk_errors(store.root):
        # Ask for changed content only, unless the last content is damaged.
        known, name = read_latest(folder), file_name(url)
        file = folder / known.get("sha256", "") / name
        is_intact = file.is_file() and store.memo.digest(file) == known["sha256"]
        conditions = {
            condition: known[header] for header, condition in _CONDITIONS.items() if is_intact and header in known
        }
        # Move the content to its place when it is complete.
        folder.mkdir(parents=True, exist_ok=True)
        aside = temporary_name(folder / name)
        try:
            sha256, received = _stream(url, aside, conditions)
            if not sha256:
                return
            if not is_intact or sha256 != known["sha256"]:
                logger.info("fetched    %s (%s bytes)", url, f"{aside.stat().st_size:,}")
            (folder / sha256).mkdir(exist_ok=True)
            flush_to_disk(aside)
            aside.replace(folder / sha256 / name)
        finally:
            aside.unlink(missing_ok=True)
        flush_to_disk(folder / sha256)
        # Note it as the last content, and remove contents that no run reads any more.
        cache_headers = {header: received[header] for header in _CONDITIONS if header in received}
        write_json(folder / LATEST, {"url": url, "sha256": sha256, **cache_headers})
        contents = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
        for old in contents[:-_CONTENTS_KEPT]:
            shutil.rmtree(old)


def _stream(url: str, aside: Path, conditions: Mapping[str, str] = MappingProxyType({})) -> "tuple[str, httpx.Headers]":
    """Write the content of a URL to a file, and return its SHA-256 and the headers of the answer.

    `conditions` are headers that ask for changed content only. The hash is empty if it has not changed.
    """
    import httpx

    sha256, began = hashlib.sha256(), time.monotonic()

    def check_scheme(request: httpx.Request) -> None:
        scheme = request.url.scheme
        if scheme and scheme not in {"https", url.partition(":")[0]}:
            raise DataError(f"{url}: redirects to {scheme}://, which is not allowed. {_REMEDY}")

    # Read block by block, within the limits.
    try:
        with (
            httpx.Client(
                follow_redirects=True,
                max_redirects=_MAX_REDIRECTS,
                timeout=_TIMEOUT,
                headers={"Accept-Encoding": "identity", **conditions},  # compressed bytes would have another hash
                event_hooks={"request": [check_scheme]},
            ) as client,
            client.stream("GET", url) as response,
            aside.open("wb") as file,
        ):
            if conditions and response.status_code == httpx.codes.NOT_MODIFIED:
                return "", response.headers
            response.raise_for_status()
            for block in _read_limited(url, response, began):
                sha256.update(block)
                file.write(block)
    # Say in every error what the user can do.
    except httpx.TooManyRedirects:
        raise DataError(f"{url}: redirects more than {_MAX_REDIRECTS} times. {_REMEDY}") from None
    except httpx.HTTPStatusError as error:
        raise DataError(
            f"{url}: HTTP status {error.response.status_code} {error.response.reason_phrase}. "
            "Correct the URL, or fetch the file by hand and give its path."
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DataError(
            f"{url}: no connection ({str(error) or type(error).__name__}). "
            "Run again once the server can be reached, or fetch the file by hand and give its path."
        ) from None
    return sha256.hexdigest(), response.headers


def _read_limited(url: str, response: "httpx.Response", began: float) -> Iterator[bytes]:
    """Yield the blocks of a response; raise `DataError` if it is too large or takes too long."""
    received = 0
    announced = int(response.headers.get("Content-Length", 0))
    for block in response.iter_raw():
        received += len(block)
        if max(received, announced) > _MAX_BYTES:
            raise DataError(f"{url}: the file has more than {_MAX_BYTES >> 30} GiB. {_REMEDY}")
        if time.monotonic() - began > _MAX_SECONDS:
            raise DataError(f"{url}: not complete after {_MAX_SECONDS / 3600:g} hours, {received:,} bytes. {_REMEDY}")
        yield block

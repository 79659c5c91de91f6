"""Files fetched from URLs: complete and verified, or absent.

Servers are not trusted: the size and duration of a download and the schemes of redirects are limited, and a file is
only used if it has the expected hash.
"""

import hashlib
import logging
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx

from gristmill.errors import DataError
from gristmill.runs.locations import Located
from gristmill.store.store import Store
from gristmill.util.disk_errors import translate_disk_errors
from gristmill.util.files import flush_to_disk, temporary_name

logger = logging.getLogger(__name__)

_TIMEOUT = 30.0  # seconds without a byte
_MAX_SECONDS = 6 * 3600.0  # of one download
_MAX_BYTES = 16 << 30
_MAX_REDIRECTS = 5
_REMEDY = "Fetch the file by hand and give its path."


def fetch(data: Iterable[Located], store: Store) -> None:
    """Fetch the files of URLs that are missing or damaged into `downloads/` of the store.

    Raises:
        DataError: the server cannot be reached, refuses, or returns another file than the expected one.
        StoreError: the store cannot be written to.
    """
    for located in data:
        if located.url and located.sha256:
            with store.lock(located.sha256):  # one download, however many pipelines wait for it
                file = located.files[0]
                if not file.is_file() or store.memo.digest(file) != located.sha256:
                    _download(located.url, file, located.sha256, store)


def _download(url: str, file: Path, sha256: str, store: Store) -> None:
    """Stream a file to a temporary name, compare its hash and rename it."""
    aside = temporary_name(file)
    logger.info("fetching %s", url)
    with translate_disk_errors(store.root):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            received = _stream(url, aside)
            if received != sha256:
                raise DataError(
                    f"{url}: the file has SHA-256 {received}, but sha256 = {sha256} is expected. "
                    "Set sha256 to the first if you trust the file, or use the expected file."
                )
            aside.replace(file)
        finally:
            aside.unlink(missing_ok=True)
        flush_to_disk(file.parent)


def _stream(url: str, aside: Path) -> str:
    """Write the content of a URL to a file, flushed to disk, and return its SHA-256."""
    sha256, began = hashlib.sha256(), time.monotonic()

    def check_scheme(request: httpx.Request) -> None:
        scheme = request.url.scheme
        if scheme and scheme not in {"https", url.partition(":")[0]}:
            raise DataError(f"{url}: redirects to {scheme}://, which is not allowed. {_REMEDY}")

    try:
        with (
            httpx.Client(
                follow_redirects=True,
                max_redirects=_MAX_REDIRECTS,
                timeout=_TIMEOUT,
                headers={"Accept-Encoding": "identity"},  # compressed bytes would have another hash
                event_hooks={"request": [check_scheme]},
            ) as client,
            client.stream("GET", url) as response,
            aside.open("wb") as file,
        ):
            response.raise_for_status()
            for block in _limited(url, response, began):
                sha256.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
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
    return sha256.hexdigest()


def _limited(url: str, response: httpx.Response, began: float) -> Iterator[bytes]:
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

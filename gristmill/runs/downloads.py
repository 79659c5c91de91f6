"""Files fetched from URLs: whole and verified, or not there.

A server is trusted with nothing: what it may send is bounded in bytes and hours, where it may lead to in schemes, and
what came counts only if its hash is the one asked for.
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
from gristmill.util.files import flush_to_disk

logger = logging.getLogger(__name__)

_SILENCE = 30.0  # seconds without a byte
_LONGEST = 6 * 3600.0  # seconds that a file may take
_LARGEST = 16 << 30  # bytes that it may have
_REDIRECTS = 5
_BY_HAND = "Fetch the file by hand and give its path."


def fetch(data: Iterable[Located], store: Store) -> None:
    """Fetch what lies at a URL and is not there yet, or is there and damaged.

    Args:
        data: what a stage reads; files that come from no URL are left alone.
        store: keeps the files below `downloads/`, each in a folder named by its SHA-256.

    Raises:
        DataError: the server cannot be reached, refuses, or gives another file than the one asked for.
        StoreError: the store cannot be written to.
    """
    for located in data:
        if located.url and located.sha256:
            with store.lock(located.sha256):  # one download, however many pipelines wait for it
                if not _is_there(located.files[0], located.sha256, store):
                    _download(located.url, located.files[0], located.sha256, store)


def _is_there(file: Path, sha256: str, store: Store) -> bool:
    return file.is_file() and store.memo.digest(file) == sha256


def _download(url: str, file: Path, sha256: str, store: Store) -> None:
    """Stream a file aside, compare its hash and rename it into place."""
    aside = file.with_name(f".{file.name}.{os.getpid()}.{time.monotonic_ns()}")  # `gc` removes what a kill leaves
    logger.info("fetching %s", url)
    with translate_disk_errors(store.root):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            received = _stream(url, aside)
            if received != sha256:
                raise DataError(
                    f"{url}: the file has SHA-256 {received}, but sha256 = {sha256} is asked for. "
                    "Set sha256 to the first if you trust the file, or find the one that is meant."
                )
            aside.replace(file)
        finally:
            aside.unlink(missing_ok=True)
        flush_to_disk(file.parent)


def _stream(url: str, aside: Path) -> str:
    """Write what a URL gives to a file, flushed to disk, and return its SHA-256."""
    sha256, began = hashlib.sha256(), time.monotonic()

    def refuse_other_scheme(request: httpx.Request) -> None:
        scheme = request.url.scheme
        if scheme and scheme not in {"https", url.partition(":")[0]}:
            raise DataError(f"{url}: leads on to {scheme}://, which is not followed. {_BY_HAND}")

    try:
        with (
            httpx.Client(
                follow_redirects=True,
                max_redirects=_REDIRECTS,
                timeout=_SILENCE,
                # The bytes as they lie there: what a server packs on the way would hash to something else.
                headers={"Accept-Encoding": "identity"},
                event_hooks={"request": [refuse_other_scheme]},
            ) as client,
            client.stream("GET", url) as response,
            aside.open("wb") as file,
        ):
            response.raise_for_status()
            for block in _bounded(url, response, began):
                sha256.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
    except httpx.TooManyRedirects:
        raise DataError(f"{url}: leads on more than {_REDIRECTS} times. {_BY_HAND}") from None
    except httpx.HTTPStatusError as error:
        response = error.response
        raise DataError(
            f"{url}: HTTP status {response.status_code} {response.reason_phrase}. "
            "Correct the URL, or fetch the file by hand and give its path."
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DataError(
            f"{url}: no connection ({str(error) or type(error).__name__}). "
            "Run again once the server can be reached, or fetch the file by hand and give its path."
        ) from None
    return sha256.hexdigest()


def _bounded(url: str, response: httpx.Response, began: float) -> Iterator[bytes]:
    """Yield what a server sends as it comes; one that sends too much, or for too long, is left."""
    received = 0
    announced = int(response.headers.get("Content-Length", 0))
    for block in response.iter_raw():
        received += len(block)
        if max(received, announced) > _LARGEST:
            raise DataError(f"{url}: the file has more than {_LARGEST >> 30} GiB. {_BY_HAND}")
        if time.monotonic() - began > _LONGEST:
            raise DataError(f"{url}: not whole after {_LONGEST / 3600:g} hours, {received:,} bytes. {_BY_HAND}")
        yield block

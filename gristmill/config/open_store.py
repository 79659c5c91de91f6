"""The store of a project: a folder, or a shared store with a folder as its cache."""

import os
from pathlib import Path

from gristmill.errors import RequestError
from gristmill.settings.base import check_store_location
from gristmill.store.store import Store
from gristmill.util import extras
from gristmill.util.urls import redact


def open_store(root: Path, store: str, cache: str, cache_gb: float | None) -> Store:
    """Return the store of a project; `GRISTMILL_STORE` and `GRISTMILL_CACHE` override `store` and `cache`."""
    location = _from_environment("GRISTMILL_STORE") or store
    if "://" not in location:
        return Store(root / Path(location).expanduser())
    cache = _from_environment("GRISTMILL_CACHE") or cache
    if "://" in cache:
        raise RequestError(f"GRISTMILL_CACHE: expected a folder. Received: {redact(cache)!r}. Correct it.")
    if location.startswith("s3://"):
        extras.require_extra(f"[defaults] store: {location!r}", "s3")
    from gristmill.store.remote.remote import Remote  # late: a store in a folder does not need it
    from gristmill.store.remote.shared_store import SharedStore

    limit = None if cache_gb is None else cache_gb * 1e9
    return SharedStore(root / Path(cache).expanduser(), Remote(location, limit))


def _from_environment(name: str) -> str | None:
    """Return the location in a variable; raise `RequestError` if it names no store."""
    location = os.environ.get(name)
    try:
        return check_store_location(location) if location and "://" in location else location
    except ValueError as error:
        raise RequestError(f"{name}: expected {error}. Received: {redact(location)!r}. Correct it.") from None

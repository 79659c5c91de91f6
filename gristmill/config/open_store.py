"""Where the store of a project is: a folder, or one that machines share with a folder that is its cache."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gristmill.errors import RequestError
from gristmill.settings.base import check_store_location
from gristmill.store.store import Store
from gristmill.util import extras
from gristmill.util.urls import redact

if TYPE_CHECKING:
    from gristmill.config.catalogue import Defaults


def open_store(root: Path, defaults: "Defaults") -> Store:
    """Return the store of a project, as `pipelines.toml` and the environment name it.

    Args:
        root: the project's folder.
        defaults: `[defaults]`. GRISTMILL_STORE goes before `store`, GRISTMILL_CACHE before `cache`.

    Raises:
        RequestError: what the environment names is no store.
    """
    place = _from_environment("GRISTMILL_STORE") or defaults.store
    if "://" not in place:
        return Store(_folder(root, place))
    cache = _from_environment("GRISTMILL_CACHE") or defaults.cache
    if "://" in cache:
        raise RequestError(f"GRISTMILL_CACHE: expected a folder. Received: {redact(cache)!r}. Correct it.")
    if place.startswith("s3://"):
        extras.require_extra(f"[defaults] store: {place!r}", "s3")
    from gristmill.store.remote.remote import Remote  # late: a store that is a folder needs none of it
    from gristmill.store.remote.shared_store import SharedStore

    limit = defaults.cache_gb
    return SharedStore(_folder(root, cache), Remote(place, None if limit is None else limit * 1e9))


def _from_environment(name: str) -> str | None:
    place = os.environ.get(name)
    try:
        return check_store_location(place) if place and "://" in place else place
    except ValueError as error:
        raise RequestError(f"{name}: expected {error}. Received: {redact(place)!r}. Correct it.") from None


def _folder(root: Path, place: str) -> Path:
    return root / Path(place).expanduser()

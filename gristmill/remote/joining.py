"""A cache that joins a shared store: what was made before the store was shared is put there, once."""

import json
import logging
from contextlib import suppress

from gristmill.artifact import MANIFEST, Artifact, read_manifest, verify
from gristmill.errors import CorruptArtifact, RequestError, StoreError
from gristmill.files import write_atomically
from gristmill.store import Store
from gristmill.writing import writing

logger = logging.getLogger(__name__)

_MARK = "shared-with"  # holds the URL of the store that this folder is a cache of


def joined(store: Store) -> bool:
    """Whether a cache is one of its shared store by now; False, after a warning, where that cannot be reached.

    Raises:
        RequestError: it is the cache of another shared store, or the shared store has other versions or promotions
            under the same numbers.
    """
    try:
        _join(store)
    except StoreError as error:
        logger.warning("%s What is in the cache, %s, is used.", error, store.root)
        return False
    return True


def _join(store: Store) -> None:
    """Upload the records, versions and promotions of a cache that has not been one of this shared store yet."""
    if store.remote is None:
        return
    bucket, mark = store.remote.bucket, store.root / _MARK
    with suppress(FileNotFoundError):
        if (known := mark.read_text()) == bucket.url:
            return
        raise RequestError(
            f"{store.root}: the cache of {known}, not of {bucket.url}, which would get all that is here. Give that a "
            f"cache of its own, by GRISTMILL_CACHE or [defaults] cache. If it shall have all, remove {mark}."
        )
    for folder in sorted(store.root.glob("registry/*/bundles/[!.]*")):
        with suppress(CorruptArtifact, OSError, ValueError, KeyError):  # its version is marked as damaged everywhere
            own = json.loads((folder / MANIFEST).read_bytes())
            bundle = Artifact(folder, read_manifest(folder, own["stage"], own["key"]))
            verify(bundle)
            store.share(bundle, f"{folder.relative_to(store.root).as_posix()}.json")
    for kind in ("versions", "promotions"):  # a promotion after what it promotes
        for path in sorted(store.root.glob(f"registry/*/{kind}/[!.]*.json")):
            name = path.relative_to(store.root).as_posix()
            if not bucket.create(name, path.read_bytes()):
                raise RequestError(
                    f"{path}: another one of this number is at {bucket.where(name)}. This folder has a history of its "
                    "own: give the shared store a new cache, by GRISTMILL_CACHE or [defaults] cache."
                )
    records = {path.relative_to(store.root).as_posix(): path for path in store.root.glob("runs/*/[!.]*.json")}
    bucket.upload(records)
    with writing(store.root):
        store.root.mkdir(parents=True, exist_ok=True)
        write_atomically(mark, bucket.url)

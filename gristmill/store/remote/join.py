"""A folder becomes the cache of a shared store: at its first use, and of no other one afterwards.

What was made in the folder before is uploaded then, once.
"""

import json
from contextlib import suppress
from pathlib import Path

from gristmill.errors import CorruptArtifact, RequestError
from gristmill.store.artifact import MANIFEST, Artifact, read_manifest, verify
from gristmill.store.remote.remote import Remote
from gristmill.util.disk_errors import translate_disk_errors
from gristmill.util.files import write_atomically

_MARK = "shared-with"  # holds the URL of the store that this folder is a cache of


def is_cache_of(root: Path, url: str) -> bool:
    """Return whether a folder is the cache of a shared store; False while it is the cache of none.

    Raises:
        RequestError: it is the cache of another one.
    """
    mark = root / _MARK
    with translate_disk_errors(root):
        try:
            known = mark.read_text()
        except (FileNotFoundError, NotADirectoryError):
            return False
    if known != url:
        raise RequestError(
            f"{root}: this folder is the cache of {known}, and the store is {url}. Correct GRISTMILL_STORE or "
            f"[defaults] store, or set GRISTMILL_CACHE or [defaults] cache to another folder. To upload this "
            f"folder's contents to {url}, remove {mark}."
        )
    return True


def join(root: Path, remote: Remote) -> None:
    """Make a folder the cache of a shared store, unless it is: upload its records, versions and promotions.

    Raises:
        StoreError: the shared store cannot be reached. The folder stays as it is.
        RequestError: its bucket does not exist, the folder is the cache of another shared store, or the shared store
            has other versions or promotions under the same numbers.
    """
    bucket = remote.bucket
    if is_cache_of(root, bucket.url):
        return
    bucket.check_exists()  # an empty folder uploads nothing, which would fail
    for folder in sorted(root.glob("registry/*/bundles/[!.]*")):
        with suppress(CorruptArtifact, OSError, ValueError, KeyError):  # its version is marked as damaged everywhere
            own = json.loads((folder / MANIFEST).read_bytes())
            bundle = Artifact(folder, read_manifest(folder, own["stage"], own["key"]))
            verify(bundle)
            remote.push(f"{folder.relative_to(root).as_posix()}.json", bundle)
    for kind in ("versions", "promotions"):  # a promotion after what it promotes
        for path in sorted(root.glob(f"registry/*/{kind}/[!.]*.json")):
            name = path.relative_to(root).as_posix()
            if not bucket.create(name, path.read_bytes()):
                raise RequestError(
                    f"{path}: another one of this number is at {bucket.where(name)}. This folder has a history of its "
                    "own: give the shared store a new cache, by GRISTMILL_CACHE or [defaults] cache."
                )
    records = {path.relative_to(root).as_posix(): path for path in root.glob("runs/*/[!.]*.json")}
    bucket.upload(records)
    with translate_disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        write_atomically(root / _MARK, bucket.url)

"""Folders with a manifest in a shared store: file contents by their hash, manifests last.

    objects/<sha[:2]>/<sha256>          contents of files, each stored once
    artifacts/<stage>/<key>.json        manifests of artifacts
    registry/<pipeline>/bundles/*.json  manifests of the bundles of versions
    runs/  registry/*/{versions,promotions}/    the same small files as in each machine's cache

A manifest is created when all its files are there, and by one machine only. So every visible artifact is complete, a
killed upload stays invisible, and two machines that make one artifact both end with that of the first.
"""

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from gristmill import keys
from gristmill.errors import CorruptArtifact, StoreError
from gristmill.store.artifact import MANIFEST, Artifact, parse_manifest
from gristmill.store.remote.bucket import Bucket
from gristmill.util.files import write_atomically

logger = logging.getLogger(__name__)

ORPHAN_AGE = 24 * 3600  # seconds after which an object without a manifest cannot belong to an active upload
_PAUSES = (15, 60, 120)  # seconds between attempts at an upload
_MAX_REUSE_AGE = ORPHAN_AGE / 2  # an older object is uploaded again, or `gc` could remove it before its manifest comes


class Remote:
    """A shared store, of which each machine's store is a cache."""

    def __init__(self, url: str, limit: float | None = None) -> None:
        """Set the URL of a shared store; `limit` is the maximum size of the cache in bytes."""
        self.bucket, self.limit = Bucket(url), limit

    def push(self, name: str, artifact: Artifact, replace: bool = False, patient: bool = False) -> bool:
        """Upload a finished folder; return False if its name has another result, unless `replace` is set.

        `patient` retries for some minutes, because hours of work may be in the folder.
        """
        for pause in _PAUSES if patient else ():
            try:
                return self._pushed(name, artifact, replace)
            except StoreError as error:
                logger.warning("%s Trying again in %d s.", error, pause)
                time.sleep(pause)
        return self._pushed(name, artifact, replace)

    def _pushed(self, name: str, artifact: Artifact, replace: bool) -> bool:
        reference, folder = artifact.reference, artifact.path
        if not replace and (shared := self.manifest(name, reference["stage"], reference["key"])):
            return bool(shared["digest"] == reference["digest"])
        content = (folder / MANIFEST).read_bytes()
        files = artifact.manifest["files"].items()
        objects = {object_name(file["sha256"]): (folder / path, file["size"]) for path, file in files}
        # Do not upload an object that is there in its full size and is too young to be removed by `gc`.
        missing = {}
        for named, (path, size) in objects.items():
            existing = self.bucket.size_and_age(named)
            if existing is None or existing[0] != size or existing[1] >= _MAX_REUSE_AGE:
                missing[named] = path
        self.bucket.upload(missing)
        if replace:
            self.bucket.write(name, content)
            return True
        if self.bucket.create(name, content):
            return True
        winner = self.manifest(name, reference["stage"], reference["key"])
        return winner is not None and bool(winner["digest"] == reference["digest"])

    def manifest(self, name: str, stage: str, key: str) -> dict[str, Any] | None:
        """Return a manifest; None if there is none, or a damaged one, which is removed with a warning."""
        read = self._read(name, stage, key)
        return read[1] if read else None

    def fetch(self, name: str, stage: str, key: str, folder: Path, digest: str | None = None) -> dict[str, Any] | None:
        """Download an artifact into an empty folder, verify every file, and return the manifest.

        Return None if the artifact is missing, damaged, or does not have `digest`. Damaged files are removed with a
        warning, so that they are made or uploaded again.
        """
        read = self._read(name, stage, key)
        if read is None or digest not in (None, read[1]["digest"]):
            return None
        content, manifest = read
        hashes = {folder / path: file["sha256"] for path, file in manifest["files"].items()}
        for path in hashes:
            path.parent.mkdir(parents=True, exist_ok=True)
        logger.info("fetching %s", self.bucket.url_of(name))
        try:
            self.bucket.download({path: object_name(sha256) for path, sha256 in hashes.items()})
        except FileNotFoundError:
            gone = [named for named in map(object_name, hashes.values()) if self.bucket.size_and_age(named) is None]
            if not gone:  # another machine has just uploaded it again
                raise StoreError(f"{self.bucket.url_of(name)}: changed while it was fetched. Run again.") from None
            self._drop(name, f"{self.bucket.url_of(gone[0])}: gone, though a manifest names it.")
            return None
        for path, sha256 in hashes.items():
            if keys.digest_of_file(path) != sha256:
                self._drop_object(name, sha256)
                return None
        write_atomically(folder / MANIFEST, content)
        return manifest

    def mirror(self, folder: str, root: Path, names: str, again: Callable[[Path], bool] = lambda path: False) -> None:
        """Copy the small files whose names match `names` into the cache; warn if the shared store cannot be reached.

        `again` returns whether to fetch a cached file again; most files never change.
        """
        try:
            shared = [name for name in self.bucket.list_files(folder) if re.fullmatch(names, name)]
            missing = [name for name in shared if not (root / name).exists() or again(root / name)]
            for name, content in self.bucket.read_all(missing).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                write_atomically(root / name, content)
        except StoreError as error:
            logger.warning("%s Using what is in the cache, %s.", error, root)

    def _read(self, name: str, stage: str, key: str) -> tuple[bytes, dict[str, Any]] | None:
        """Return a manifest as bytes and parsed; a damaged one is removed."""
        content = self.bucket.read(name)
        if content is None:
            return None
        where = self.bucket.url_of(name)
        try:
            manifest = parse_manifest(content, where, stage, key)
            if not all(map(_is_plain, manifest["files"])):
                raise CorruptArtifact(f"{where}: names files that lie outside of its folder.")
        except CorruptArtifact as damage:
            self._drop(name, str(damage))
            return None
        return content, manifest

    def _drop_object(self, name: str, sha256: str) -> None:
        """Remove an object that arrived damaged, with a manifest that names it, if it is damaged in the store too."""
        damaged = object_name(sha256)
        where = self.bucket.url_of(damaged)
        with suppress(FileNotFoundError):  # another machine has already removed it
            if self.bucket.digest(damaged) == sha256:
                raise StoreError(f"{where}: came damaged over the network, though it is sound there. Run again.")
        self.bucket.remove(damaged)
        self._drop(name, f"{where}: altered since it was published (its SHA-256 does not hold).")

    def _drop(self, name: str, damage: str) -> None:
        """Remove a damaged artifact's manifest, so that nobody uses it and a machine that has it shares it again."""
        if name.startswith("registry/"):  # nobody can make a bundle again, and its machine must see the damage
            logger.warning("%s It is not used. Where a cache has it whole, run: gristmill verify --repair.", damage)
            return
        logger.warning("%s Removed from the shared store, with its manifest; it is not used.", damage)
        self.bucket.remove(name)


def object_name(sha256: str) -> str:
    """Return the name of the object with a hash."""
    return f"objects/{sha256[:2]}/{sha256}"


def _is_plain(path: str) -> bool:
    """Return whether a file in a manifest lies in the manifest's folder: others may write to a shared store."""
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not path.startswith("/") and path != MANIFEST and "\0" not in path

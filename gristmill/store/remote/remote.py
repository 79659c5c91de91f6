"""Folders with a manifest in a shared store: the bytes by their content, the manifest last.

    objects/<sha[:2]>/<sha256>          the bytes of files, each once, whoever names them
    artifacts/<stage>/<key>.json        manifests of artifacts
    registry/<pipeline>/bundles/*.json  manifests of the bundles of versions
    runs/  registry/*/{versions,promotions}/    the same small files as in each machine's cache

A manifest is created when all that it names is there, and by one machine only: what can be seen is whole, an upload
that was killed is invisible, and of two machines that made one artifact both end with that of the first.
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

ORPHAN_AGE = 24 * 3600  # seconds after which an object that no manifest names belongs to no upload under way
_PAUSES = (15, 60, 120)  # seconds between attempts at an upload
_YOUNG = ORPHAN_AGE / 2  # an object that is older is uploaded anew, so that no `gc` takes it before its manifest comes


class Remote:
    """A shared store, of which each machine's store is a cache."""

    def __init__(self, url: str, limit: float | None = None) -> None:
        """Name a shared store; `limit` is how many bytes of artifacts the cache may have."""
        self.bucket, self.limit = Bucket(url), limit

    def push(self, name: str, artifact: Artifact, replace: bool = False, patient: bool = False) -> bool:
        """Upload a finished folder; return False where another result is there under its name.

        Args:
            name: of the manifest.
            artifact: the folder, with the manifest in it.
            replace: whether the result takes the place of one that is there.
            patient: try for some minutes to reach the shared store: hours of work may be in the folder.

        Raises:
            StoreError: the shared store cannot be reached.
        """
        for pause in _PAUSES if patient else ():
            try:
                return self._pushed(name, artifact, replace)
            except StoreError as error:
                logger.warning("%s Tried again in %d s.", error, pause)
                time.sleep(pause)
        return self._pushed(name, artifact, replace)

    def _pushed(self, name: str, artifact: Artifact, replace: bool) -> bool:
        own, folder = artifact.manifest, artifact.path
        if not replace and (shared := self.manifest(name, own["stage"], own["key"])):
            return bool(shared["digest"] == own["digest"])
        content = (folder / MANIFEST).read_bytes()
        objects = {object_name(file["sha256"]): folder / path for path, file in own["files"].items()}
        sizes = {object_name(file["sha256"]): file["size"] for file in own["files"].values()}
        self.bucket.upload({named: path for named, path in objects.items() if not self._lasts(named, sizes[named])})
        if replace:
            self.bucket.write(name, content)
            return True
        if self.bucket.create(name, content):
            return True
        winner = self.manifest(name, own["stage"], own["key"])
        return winner is not None and bool(winner["digest"] == own["digest"])

    def manifest(self, name: str, stage: str, key: str) -> dict[str, Any] | None:
        """Return a manifest; None where there is none, or a damaged one, which is removed with a warning."""
        read = self._read(name, stage, key)
        return read[1] if read else None

    def fetch(self, name: str, stage: str, key: str, folder: Path, digest: str | None = None) -> dict[str, Any] | None:
        """Download a folder into an empty one, compare every file with its hash, and return the manifest.

        What is damaged is told of in a warning and removed, so that it is made or uploaded again.

        Args:
            name: of the manifest.
            stage: of the artifact.
            key: of the artifact.
            folder: to fill.
            digest: that the artifact must have, if it matters.

        Returns:
            The manifest; None where there is none, a damaged one, or that of another result than the one asked for.

        Raises:
            StoreError: the shared store cannot be reached.
        """
        read = self._read(name, stage, key)
        if read is None or digest not in (None, read[1]["digest"]):
            return None
        content, manifest = read
        hashes = {folder / path: file["sha256"] for path, file in manifest["files"].items()}
        for path in hashes:
            path.parent.mkdir(parents=True, exist_ok=True)
        logger.info("fetching %s", self.bucket.where(name))
        try:
            self.bucket.download({path: object_name(sha256) for path, sha256 in hashes.items()})
        except FileNotFoundError:
            gone = [named for named in map(object_name, hashes.values()) if self.bucket.look(named) is None]
            if not gone:  # another machine has just healed it
                raise StoreError(f"{self.bucket.where(name)}: changed while it was fetched. Run again.") from None
            self._drop(name, f"{self.bucket.where(gone[0])}: gone, though a manifest names it.")
            return None
        for path, sha256 in hashes.items():
            if keys.digest_of_file(path) != sha256:
                self._drop_object(name, sha256)
                return None
        write_atomically(folder / MANIFEST, content)
        return manifest

    def mirror(self, folder: str, root: Path, names: str, again: Callable[[Path], bool] = lambda path: False) -> None:
        """Have the small files of a folder in the cache too; a warning tells where the shared store cannot be reached.

        Args:
            folder: on the shared store, and below `root`.
            root: of the cache.
            names: a pattern of the names that are wanted, `folder` among them.
            again: whether a file that is here is to be fetched once more; those that never change are not.
        """
        try:
            there = [name for name in self.bucket.below(folder) if re.fullmatch(names, name)]
            missing = [name for name in there if not (root / name).exists() or again(root / name)]
            for name, content in self.bucket.read_all(missing).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                write_atomically(root / name, content)
        except StoreError as error:
            logger.warning("%s What is in the cache, %s, is used.", error, root)

    def _read(self, name: str, stage: str, key: str) -> tuple[bytes, dict[str, Any]] | None:
        """Return a manifest as it is written, and what it holds; a damaged one is removed."""
        content = self.bucket.read(name)
        if content is None:
            return None
        where = self.bucket.where(name)
        try:
            manifest = parse_manifest(content, where, stage, key)
            if not all(map(_is_plain, manifest["files"])):
                raise CorruptArtifact(f"{where}: names files that lie outside of its folder.")
        except CorruptArtifact as damage:
            self._drop(name, str(damage))
            return None
        return content, manifest

    def _drop_object(self, name: str, sha256: str) -> None:
        """Remove an object that came damaged, with a manifest that names it, if it does so a second time."""
        damaged = object_name(sha256)
        where = self.bucket.where(damaged)
        with suppress(FileNotFoundError):  # another machine that met it was first
            if self.bucket.digest(damaged) == sha256:
                raise StoreError(f"{where}: came damaged over the network, though it is sound there. Run again.")
        self.bucket.remove(damaged)
        self._drop(name, f"{where}: altered since it was published (its SHA-256 does not hold).")

    def _drop(self, name: str, damage: str) -> None:
        """Remove the manifest of what is damaged: nobody uses it then, and whoever makes or has it shares it anew.

        That of a bundle stays: nobody can make it again, and whoever has it must see that it is damaged.
        """
        if name.startswith("registry/"):
            logger.warning("%s It is not used. Where a cache has it whole, run: gristmill verify --repair.", damage)
            return
        logger.warning("%s Removed from the shared store, with its manifest; it is not used.", damage)
        self.bucket.remove(name)

    def _lasts(self, name: str, size: int) -> bool:
        """Whether an object is there, whole as far as its size tells, and too young for any `gc` to take it."""
        found = self.bucket.look(name)
        return found is not None and found[0] == size and found[1] < _YOUNG


def object_name(sha256: str) -> str:
    """Return the name of the bytes that hash so."""
    return f"objects/{sha256[:2]}/{sha256}"


def _is_plain(path: str) -> bool:
    """Whether a file that a manifest names lies in the manifest's own folder: others may write to a shared store."""
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and not path.startswith("/") and path != MANIFEST and "\0" not in path

"""A store that machines share, as one of them has it: its folder is a cache.

What is not in it is fetched, and what is made is uploaded before it can be seen here.

    root/shared-with    the URL of the shared store (`joining.py`)
    root/cache-name     what this cache is called in the records of its runs
    root/elsewhere/     manifests of what only the shared store has (`elsewhere.py`)
"""

import contextlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from gristmill.errors import CorruptArtifact
from gristmill.keys import digest_of
from gristmill.store.artifact import Artifact, Reference, artifact_name, read_manifest, verify
from gristmill.store.remote import manifest_cache
from gristmill.store.remote.join import is_cache_of, join
from gristmill.store.remote.remote import Remote
from gristmill.store.store import Store
from gristmill.util.disk_errors import translate_disk_errors
from gristmill.util.files import flush_folder


class SharedStore(Store):
    """All artifacts of a project on a shared store, and those of them that one machine has."""

    def __init__(self, root: Path, remote: Remote) -> None:
        """Name a shared store and the folder that is its cache, or is to be.

        Raises:
            RequestError: the folder is the cache of another shared store.
        """
        super().__init__(root)
        self._remote = remote
        self._elsewhere = manifest_cache.folder_of(root, remote.bucket.url)
        is_cache_of(root, remote.bucket.url)

    @cached_property
    def remote(self) -> Remote:
        """The shared store, of which the folder becomes the cache at the first use: nothing is read or written before.

        Raises:
            StoreError: the folder is not its cache yet, and the shared store cannot be reached.
            RequestError: it does not exist, the folder has a history of its own, or is by now the cache of another one.
        """
        join(self.root, self._remote)
        return self._remote

    @cached_property
    def cache(self) -> str:
        """A name by chance, not that of the host: several caches may lie on one, and several hosts may share one."""
        file, name = self.root / "cache-name", os.urandom(8).hex()
        if not file.exists():
            with translate_disk_errors(self.root), contextlib.suppress(FileExistsError):
                aside = self.root / f".cache-name.{name}"
                self.root.mkdir(parents=True, exist_ok=True)
                aside.write_text(name)
                file.hardlink_to(aside)  # which, unlike a rename, fails where another process was first
            aside.unlink(missing_ok=True)
        return file.read_text()

    def get(self, stage: str, key: str) -> Artifact | None:
        name, path = artifact_name(stage, key), self.path(stage, key)
        try:
            return super().get(stage, key) or self.fetch(name, stage, key, path)
        except CorruptArtifact:
            if fetched := self.fetch(name, stage, key, path):
                return fetched
            raise

    def get_remote_aware(self, stage: str, key: str, anew: bool = False) -> Artifact | None:
        path = self.path(stage, key)
        if path.is_dir():
            return self.get(stage, key)
        manifest = self._manifest_elsewhere(stage, key, anew)
        return Artifact(path, manifest) if manifest else None

    def open_folder(
        self, path: Path, reference: Reference, shared_as: str | None = None, by_stat: bool = False
    ) -> Artifact:
        try:
            return super().open_folder(path, reference, shared_as, by_stat)
        except CorruptArtifact:
            stage, key, digest = reference["stage"], reference["key"], reference["digest"]
            if shared_as and (fetched := self.fetch(shared_as, stage, key, path, digest)):
                return fetched
            raise

    def read_manifest(self, reference: Reference) -> dict[str, Any]:
        try:
            return super().read_manifest(reference)
        except CorruptArtifact:
            if shared := self._manifest_elsewhere(reference["stage"], reference["key"]):
                return shared
            raise

    def share(self, artifact: Artifact, shared_as: str) -> None:
        self.remote.push(shared_as, artifact)

    def check_writable(self) -> None:
        super().check_writable()
        self.remote.bucket.prove_writable()

    def commit(self, made: Artifact, final: Path, replace: bool) -> Artifact:
        stage, key = made.manifest["stage"], made.manifest["key"]
        name = artifact_name(stage, key)
        while not self.remote.push(name, made, replace, patient=True):
            if winner := self.fetch(name, stage, key, final):  # of another machine; not if it is damaged
                return winner
        return super().commit(made, final, replace)

    def fetch(self, shared_as: str, stage: str, key: str, final: Path, digest: str | None = None) -> Artifact | None:
        """Fetch a folder by the name of its manifest to where it is to lie; None where the shared store has it not.

        What is in its place is moved to quarantine, unless it is sound and any result is as good.
        """
        with self.lock(f"fetch-{digest_of(shared_as)[:32]}"), self.temporary_folder(final) as draft:
            if there := self._fetched(final, stage, key, digest):  # by another process, while this one waited
                return there
            manifest = self.remote.fetch(shared_as, stage, key, draft, digest)
            if manifest is None:
                manifest_cache.forget(self._elsewhere, stage, key)
                return None
            flush_folder(draft)
            if digest and final.is_dir() and any(final.iterdir()):
                self.quarantine(final)
            return self.note_use(self.rename(Artifact(draft, manifest), final))

    def _fetched(self, final: Path, stage: str, key: str, digest: str | None) -> Artifact | None:
        """Return what lies in a folder if it is sound, and the one that is asked for."""
        with contextlib.suppress(CorruptArtifact):
            there = Artifact(final, read_manifest(final, stage, key))
            if digest in (None, there.manifest["digest"]):
                verify(there, self.memo.digests)
                return self.note_use(there)
        return None

    def _manifest_elsewhere(self, stage: str, key: str, anew: bool = False) -> dict[str, Any] | None:
        """Return the manifest that the shared store has; it is asked once, or `anew`."""
        manifest = None if anew else manifest_cache.recall(self._elsewhere, stage, key)
        if manifest is None and (manifest := self.remote.manifest(artifact_name(stage, key), stage, key)):
            manifest_cache.remember(self._elsewhere, manifest)
        return manifest

"""Store that several machines share, seen from one of them: its folder is a cache.

Missing artifacts are fetched, and new ones are uploaded before they become visible here.

    root/shared-with    URL of the shared store that this folder caches
    root/cache-name     name of this cache in run records
    root/elsewhere/<hash of the URL>/<stage>/<key>.json    manifests of artifacts that only the shared store has

The folder joins a shared store at its first use and cannot join another one. Its earlier contents are uploaded once.
A cached manifest may be outdated. It is dropped when the artifact is found to be missing.
"""

import contextlib
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from gristmill.errors import CorruptArtifact, RequestError
from gristmill.keys import digest_of
from gristmill.store.artifact import Artifact, artifact_name, parse_manifest, read_artifact, verify
from gristmill.store.remote.remote import Remote
from gristmill.store.store import Store
from gristmill.util.files import create_atomically, flush_folder, translate_disk_errors, write_json
from gristmill.util.sealed_json import seal

_URL_FILE = "shared-with"


class SharedStore(Store):
    """Artifacts of a shared store, some of them cached on this machine."""

    def __init__(self, root: Path, remote: Remote) -> None:
        """Set the shared store and its cache; raise `RequestError` if the folder caches another shared store."""
        super().__init__(root)
        self._remote = remote
        self._manifests = root / "elsewhere" / digest_of(remote.bucket.url)[:16]
        _is_cache_of(root, remote.bucket.url)

    @cached_property
    def remote(self) -> Remote:
        """The shared store; the folder becomes its cache at the first use (`_join`)."""
        _join(self, self._remote)
        return self._remote

    @cached_property
    def cache(self) -> str:
        """A random name, because a host may have several caches, and several hosts may share one."""
        file = self.root / "cache-name"
        if not file.exists():
            with translate_disk_errors(self.root):
                self.root.mkdir(parents=True, exist_ok=True)
                create_atomically(file, os.urandom(8).hex())
        return file.read_text()

    def share(self, artifact: Artifact, shared_as: str) -> None:
        self.remote.push(shared_as, artifact)

    def check_writable(self) -> None:
        super().check_writable()
        self.remote.bucket.check_writable()

    def commit(self, artifact: Artifact, final: Path, replace: bool) -> Artifact:
        stage, key = artifact.manifest["stage"], artifact.manifest["key"]
        name = artifact_name(stage, key)
        while not self.remote.push(name, artifact, replace, patient=True):
            if winner := self.fetch(name, stage, key, final):  # artifact of another machine; None if it is damaged
                return winner
        return super().commit(artifact, final, replace)

    def fetch(self, shared_as: str, stage: str, key: str, final: Path, digest: str | None = None) -> Artifact | None:
        with self.lock(f"fetch-{digest_of(shared_as)[:32]}"), self.temporary_folder(final) as draft:
            with contextlib.suppress(CorruptArtifact):  # another process may have fetched it meanwhile
                artifact = read_artifact(final, stage, key)
                if digest in (None, artifact.manifest["digest"]):
                    verify(artifact, self.memo.digests)
                    return self.note_use(artifact)
            manifest = self.remote.fetch(shared_as, stage, key, draft, digest)
            if manifest is None:
                self._manifest_file(stage, key).unlink(missing_ok=True)
                return None
            flush_folder(draft)
            if digest and final.is_dir() and any(final.iterdir()):
                self.quarantine(final)
            return self.note_use(self.rename(Artifact(draft, manifest), final))

    def fetch_manifest(self, stage: str, key: str, anew: bool = False) -> dict[str, Any] | None:
        file = self._manifest_file(stage, key)
        if not anew:
            with contextlib.suppress(OSError, CorruptArtifact):
                return parse_manifest(file.read_bytes(), str(file), stage, key)
        manifest = self.remote.manifest(artifact_name(stage, key), stage, key)
        if manifest:
            self.cache_manifest(manifest)
        return manifest

    def cache_manifest(self, manifest: dict[str, Any]) -> None:
        """Remember that the shared store has an artifact, so that a plan neither fetches it nor asks again."""
        file = self._manifest_file(manifest["stage"], manifest["key"])
        with contextlib.suppress(OSError):  # with a full disk the shared store is asked again
            file.parent.mkdir(parents=True, exist_ok=True)
            write_json(file, seal(manifest))

    def _manifest_file(self, stage: str, key: str) -> Path:
        return self._manifests / stage / f"{key}.json"


def _is_cache_of(root: Path, url: str) -> bool:
    """Return whether a folder is the cache of a shared store; raise `RequestError` if it is that of another one."""
    file = root / _URL_FILE
    with translate_disk_errors(root):
        try:
            known = file.read_text()
        except (FileNotFoundError, NotADirectoryError):
            return False
    if known != url:
        raise RequestError(
            f"{root}: this folder is the cache of {known}, and the store is {url}. Correct GRISTMILL_STORE or "
            f"[defaults] store, or set GRISTMILL_CACHE or [defaults] cache to another folder. To upload this "
            f"folder's contents to {url}, remove {file}."
        )
    return True


def _join(cache: Store, remote: Remote) -> None:
    """Make a folder the cache of a shared store, unless it is already: upload its records, versions and promotions."""
    root, bucket = cache.root, remote.bucket
    if _is_cache_of(root, bucket.url):
        return
    bucket.check_exists()  # an empty folder uploads nothing that could fail
    for folder in sorted(root.glob("registry/*/bundles/[!.]*")):
        with contextlib.suppress(CorruptArtifact):  # its version is marked as damaged on all machines
            bundle = read_artifact(folder)
            verify(bundle)
            remote.push(f"{folder.relative_to(root).as_posix()}.json", bundle)
    for kind in ("versions", "promotions"):  # a promotion after its version
        for path in sorted(root.glob(f"registry/*/{kind}/[!.]*.json")):
            name = path.relative_to(root).as_posix()
            if not bucket.create(name, path.read_bytes()):
                raise RequestError(
                    f"{path}: another one of this number is at {bucket.url_of(name)}. This folder has a history of its "
                    "own: give the shared store a new cache, by GRISTMILL_CACHE or [defaults] cache."
                )
    bucket.upload({path.relative_to(root).as_posix(): path for path in root.glob("runs/*/[!.]*.json")})
    cache.write(root / _URL_FILE, bucket.url)

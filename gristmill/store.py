"""The artifact store: immutable folders, each under the key of what it was made of.

    root/<stage>/<key[:2]>/<key>/   data files and manifest.json
    root/runs/                      run records (`runs.py`)
    root/registry/                  versions with their bundles, and which of them serve (`registry.py`)
    root/scratch/<key>/             what a stage keeps to go on after a kill: checkpoints
    root/downloads/<sha256>/        files from URLs (`downloads.py`)
    root/logs/<pipeline>/<key[:12]>/    the course of a training, for TensorBoard
    root/quarantine/                artifacts that failed verification or were replaced by request
    root/shared-with  the URL of the shared store that this is a cache of
    root/elsewhere/                 manifests of what only the shared store has (`elsewhere.py`)
    root/memo/  root/locks/         what came of files by their stat, locks; both may be deleted at any time

An artifact is built in a sibling folder, flushed, given its manifest last and renamed into place: what can be seen is
whole. Locks only save work: two builders of one key publish equal content, and the second takes the first's.

Where the store is shared by several machines (`remote/`), this folder is the cache of one of them: what is not in it is
fetched, and what is made is uploaded before it can be seen here.
"""

import contextlib
import errno
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill import elsewhere
from gristmill.artifact import Artifact, Reference, artifact_name, read_manifest, verify, write_manifest
from gristmill.drafts import draft_beside, remove_abandoned
from gristmill.errors import CorruptArtifact
from gristmill.files import Memo, flush_folder, rename_folder, write_atomically
from gristmill.identity import Identity, digest_of
from gristmill.locks import locked
from gristmill.writing import writing

if TYPE_CHECKING:
    from gristmill.remote.sharing import Remote

logger = logging.getLogger(__name__)

PIPELINE = r"[A-Za-z0-9][A-Za-z0-9_-]*"  # what the name of one is like, which names files
LOGS_KEY = 12  # characters of the key that name a folder of logs: TensorBoard shows them in a narrow column


@dataclass
class Draft:
    """A folder being filled; it becomes an artifact by `publish` or vanishes."""

    path: Path
    counts: dict[str, int] = field(default_factory=dict)  # of records, repairs, parameters: whatever tells the size
    measures: dict[str, float] = field(default_factory=dict)  # seconds, peak memory: what differs from run to run


class Store:
    """All artifacts of a project, below one local folder: a cache, where a store is shared."""

    def __init__(self, root: Path, remote: "Remote | None" = None) -> None:
        self.root, self.remote = root, remote
        self.memo = Memo(root / "memo")

    @cached_property
    def cache(self) -> str:
        """What this cache of a shared store is called in the records of its runs; nothing where none is shared.

        Not by the host: several caches may lie on one, and several hosts may share one.
        """
        if self.remote is None:
            return ""
        file, name = self.root / "cache-name", os.urandom(8).hex()
        if not file.exists():
            with writing(self.root), contextlib.suppress(FileExistsError):
                aside = self.root / f".cache-name.{name}"
                self.root.mkdir(parents=True, exist_ok=True)
                aside.write_text(name)
                file.hardlink_to(aside)  # which, unlike a rename, fails where another process was first
            aside.unlink(missing_ok=True)
        return file.read_text()

    @property
    def elsewhere(self) -> Path:
        """The folder that tells what the shared store was seen to have."""
        return elsewhere.folder_of(self.root, self.remote.bucket.url if self.remote else "")

    def path(self, stage: str, key: str) -> Path:
        """Return where the artifact with this key lies, or would."""
        return self.root / stage / key[:2] / key

    def scratch(self, key: str) -> Path:
        """Return the folder in which a stage keeps what lets it go on after a kill."""
        return self.root / "scratch" / key

    def logs(self, pipeline: str, key: str) -> Path:
        """Return the folder of a training's curves for TensorBoard; beside the artifacts, for times are in them."""
        return self.root / "logs" / pipeline / key[:LOGS_KEY]

    def find(self, stage: str, key: str) -> Artifact | None:
        """Return the artifact with this key, or None; files whose stat has changed are hashed again.

        One that is not here, or damaged, is fetched where the store is shared and has it.

        Raises:
            CorruptArtifact: the artifact is there, but a file of it is not the one that was published.
            StoreError: the shared store would have to be asked, and cannot be reached.
        """
        path = self.path(stage, key)
        try:
            if path.is_dir():
                artifact = Artifact(path, read_manifest(path, stage, key))
                verify(artifact, self.memo.digests)
                return self._used(artifact)
        except CorruptArtifact:
            if fetched := self.fetch(artifact_name(stage, key), stage, key, path):
                return fetched
            raise
        return self.fetch(artifact_name(stage, key), stage, key, path)

    def look(self, stage: str, key: str, anew: bool = False) -> Artifact | None:
        """Return the artifact with this key as `find` does; where only the shared store has it, its files stay there.

        Args:
            stage: of the artifact.
            key: of the artifact.
            anew: ask the shared store what it has, also where it was asked before.

        Raises:
            CorruptArtifact: the artifact is here, but a file of it is not the one that was published.
            StoreError: the shared store would have to be asked, and cannot be reached.
        """
        path = self.path(stage, key)
        if self.remote is None or path.is_dir():
            return self.find(stage, key)
        manifest = self._manifest_elsewhere(stage, key, anew)
        return Artifact(path, manifest) if manifest else None

    def open(self, reference: Reference, by_stat: bool = False) -> Artifact:
        """Return a referenced artifact for reading, after hashing every byte of it.

        One that is not here, damaged or another result is fetched where the store is shared and has it.

        Args:
            reference: what is referred to.
            by_stat: hash only the files whose stat has changed since they were last hashed.

        Raises:
            CorruptArtifact: it is gone, or a file of it is not the one that was published.
            StoreError: the shared store would have to be asked, and cannot be reached.
        """
        stage, key = reference["stage"], reference["key"]
        return self.open_at(self.path(stage, key), reference, artifact_name(stage, key), by_stat)

    def open_at(
        self, path: Path, reference: Reference, shared_as: str | None = None, by_stat: bool = False
    ) -> Artifact:
        """Return a referenced artifact that lies in a folder, after hashing it.

        Args:
            path: the folder.
            reference: what is referred to.
            shared_as: name of the manifest by which it may be fetched.
            by_stat: hash only the files whose stat has changed since they were last hashed.

        Raises:
            CorruptArtifact: it is gone, or a file of it is not the one that was published.
        """
        try:
            artifact = Artifact(path, read_manifest(path, reference["stage"], reference["key"]))
            verify(artifact, self.memo.digests if by_stat else None)
            if artifact.reference != reference:
                raise CorruptArtifact(
                    f"{path}: holds another result than the one referred to; it was refreshed since. Run again."
                )
            return self._used(artifact)
        except CorruptArtifact:
            fetched = shared_as and self.fetch(
                shared_as, reference["stage"], reference["key"], path, reference["digest"]
            )
            if fetched:
                return fetched
            raise

    def manifest(self, reference: Reference) -> dict[str, Any]:
        """Return what a referenced artifact was made of, without its files, which may be on the shared store alone.

        Raises:
            CorruptArtifact: it is gone or altered.
            StoreError: the shared store would have to be asked, and cannot be reached.
        """
        stage, key = reference["stage"], reference["key"]
        try:
            return read_manifest(self.path(stage, key), stage, key)
        except CorruptArtifact:
            if shared := self._manifest_elsewhere(stage, key):
                return shared
            raise

    def _manifest_elsewhere(self, stage: str, key: str, anew: bool = False) -> dict[str, Any] | None:
        """Return the manifest that the shared store has; it is asked once, or `anew`."""
        if self.remote is None:
            return None
        manifest = None if anew else elsewhere.recall(self.elsewhere, stage, key)
        if manifest is None and (manifest := self.remote.manifest(artifact_name(stage, key), stage, key)):
            elsewhere.remember(self.elsewhere, manifest)
        return manifest

    def fetch(self, shared_as: str, stage: str, key: str, final: Path, digest: str | None = None) -> Artifact | None:
        """Fetch a folder by the name of its manifest to where it is to lie; None where the shared store has it not.

        What is in its place is moved to quarantine, unless it is sound and any result is as good.
        """
        if self.remote is None:
            return None
        with self.lock(f"fetch-{digest_of(shared_as)[:32]}"), self.aside(final) as draft:
            if there := self._fetched(final, stage, key, digest):  # by another process, while this one waited
                return there
            manifest = self.remote.fetch(shared_as, stage, key, draft, digest)
            if manifest is None:
                elsewhere.forget(self.elsewhere, stage, key)
                return None
            flush_folder(draft)
            if digest and final.is_dir() and any(final.iterdir()):
                self.quarantine(final)
            return self._used(self.place(Artifact(draft, manifest), final))

    def _fetched(self, final: Path, stage: str, key: str, digest: str | None) -> Artifact | None:
        """Return what lies in a folder if it is sound, and the one that is asked for."""
        with contextlib.suppress(CorruptArtifact):
            there = Artifact(final, read_manifest(final, stage, key))
            if digest in (None, there.manifest["digest"]):
                verify(there, self.memo.digests)
                return self._used(there)
        return None

    def share(self, artifact: Artifact, shared_as: str) -> None:
        """Upload an artifact that is here, as far as the shared store has nothing under its name."""
        if self.remote:
            self.remote.push(shared_as, artifact)

    def artifacts(self) -> Iterator[Path]:
        """Yield the folder of every published artifact, sound or not."""
        yield from sorted(path for path in self.root.glob("*/??/*") if re.fullmatch(r"[0-9a-f]{64}", path.name))

    def check_writable(self) -> None:
        """Raise `StoreError` where nothing can be written: better before hours of work than after."""
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomically(self.root / ".writable", b"\n")  # which asks for room too
        if self.remote:
            self.remote.bucket.prove_writable()

    @contextlib.contextmanager
    def draft(self, made_of: Identity) -> Iterator[Draft]:
        """Give a folder beside the artifact's own to build it in; remove it at the end if it was not published.

        Raises:
            StoreError: the store cannot be written to.
        """
        with self.aside(self.path(made_of.stage, made_of.key)) as path:
            yield Draft(path)

    @contextlib.contextmanager
    def aside(self, final: Path) -> Iterator[Path]:
        """Give an empty folder beside `final`, which begins with a key; remove it at the end if it was not placed.

        Raises:
            StoreError: the store cannot be written to.
        """
        with writing(self.root):
            final.parent.mkdir(parents=True, exist_ok=True)
            remove_abandoned(final)
            path = draft_beside(final)
            path.mkdir()
        try:
            with writing(self.root):
                yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def publish(self, draft: Draft, made_of: Identity, replace: bool = False) -> Artifact:
        """Make a filled draft the artifact of its key: flush, manifest last, rename.

        A sound artifact that is there already was published by another run meanwhile: it is returned and the draft
        is dropped, unless `replace`. A corrupt one is moved to quarantine.
        """
        made = Artifact(draft.path, write_manifest(draft.path, made_of, draft.counts, draft.measures))
        final = self.path(made_of.stage, made_of.key)
        flush_folder(draft.path)
        name = artifact_name(made_of.stage, made_of.key)
        while self.remote and not self.remote.push(name, made, replace, patient=True):
            if winner := self.fetch(
                name, made_of.stage, made_of.key, final
            ):  # of another machine; not if it is damaged
                return winner
        if replace and final.exists():
            self.quarantine(final)
        return self.place(made, final)

    def place(self, draft: Artifact, final: Path) -> Artifact:
        """Rename a flushed draft to `final`, where a sound artifact wins and a corrupt one is moved to quarantine."""
        try:
            rename_folder(draft.path, final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            try:
                winner = Artifact(final, read_manifest(final, draft.manifest["stage"], draft.manifest["key"]))
                verify(winner)
                return winner
            except CorruptArtifact as damage:
                logger.warning("%s Moved to %s and replaced.", damage, self.quarantine(final))
                rename_folder(draft.path, final)
        return Artifact(final, draft.manifest)

    def _used(self, artifact: Artifact) -> Artifact:
        """Note on the folder, no file of which is touched, that it was used: no `gc` takes it from a run under way."""
        with contextlib.suppress(OSError):  # which is worth no failure
            os.utime(artifact.path)
        return artifact

    def quarantine(self, path: Path) -> Path:
        """Move an artifact's folder aside, where `gc` finds it, and return its new place."""
        aside = self.root / "quarantine" / f"{path.parent.parent.name}-{path.name[:16]}-{time.time_ns()}"
        with writing(self.root):
            aside.parent.mkdir(parents=True, exist_ok=True)
            path.rename(aside)
        return aside

    @contextlib.contextmanager
    def lock(self, key: str, wait: bool = True) -> Iterator[bool]:
        """Hold a lock, after others or not at all, and give whether it is held.

        The kernel frees the lock of a dead process. A file system without locks lets everybody have it: two builders
        of one key both build, and one result is kept.
        """
        path = self.root / "locks" / key
        with writing(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield locked(descriptor, wait)
        finally:
            os.close(descriptor)

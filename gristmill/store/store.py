"""The artifact store: immutable folders, each under the key of what it was made of.

    root/<stage>/<key[:2]>/<key>/   data files and manifest.json
    root/runs/                      run records (`runs.py`)
    root/registry/                  versions with their bundles, and which of them serve (`registry.py`)
    root/scratch/<key>/             what a stage keeps to go on after a kill: checkpoints
    root/downloads/<sha256>/        files from URLs (`downloads.py`)
    root/logs/<pipeline>/<key[:12]>/    the course of a training, for TensorBoard
    root/quarantine/                artifacts that failed verification or were replaced by request
    root/schedule.json              the `gristmill schedule` that runs here (`announcement.py`)
    root/memo/  root/locks/         what came of files by their stat, locks; both may be deleted at any time

An artifact is built in a sibling folder, flushed, given its manifest last and renamed into place: what can be seen is
whole. Locks only save work: two builders of one key publish equal content, and the second takes the first's.

Where the store is shared by several machines, this folder is the cache of one of them (`remote/store.py`).
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

from gristmill.errors import CorruptArtifact
from gristmill.keys import Identity
from gristmill.store.artifact import Artifact, Reference, artifact_name, read_manifest, verify, write_manifest
from gristmill.store.staging import draft_beside, remove_abandoned
from gristmill.util.disk_errors import translate_disk_errors
from gristmill.util.files import StatCache, flush_folder, rename_folder, write_atomically
from gristmill.util.locks import acquire_lock

if TYPE_CHECKING:
    from gristmill.store.remote.remote import Remote

logger = logging.getLogger(__name__)

PIPELINE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]*"  # what the name of one is like, which names files
LOG_KEY_LENGTH = 12  # characters of the key that name a folder of logs: TensorBoard shows them in a narrow column


@dataclass
class Draft:
    """A folder being filled; it becomes an artifact by `publish` or vanishes."""

    path: Path
    counts: dict[str, int] = field(default_factory=dict)  # of records, repairs, parameters: whatever tells the size
    measures: dict[str, float] = field(default_factory=dict)  # seconds, peak memory: what differs from run to run


class Store:
    """All artifacts of a project, below one local folder.

    What is said here of a store that is shared holds for `SharedStore`, which adds it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.memo = StatCache(root / "memo")

    @property
    def remote(self) -> "Remote | None":
        """The shared store that a `SharedStore` is a cache of; None for a folder of its own."""
        return None

    @cached_property
    def cache(self) -> str:
        """What the cache of a shared store is called in the records of its runs; nothing where none is shared."""
        return ""

    def path(self, stage: str, key: str) -> Path:
        """Return where the artifact with this key lies, or would."""
        return self.root / stage / key[:2] / key

    def scratch(self, key: str) -> Path:
        """Return the folder in which a stage keeps what lets it go on after a kill."""
        return self.root / "scratch" / key

    def logs(self, pipeline: str, key: str) -> Path:
        """Return the folder of a training's curves for TensorBoard; beside the artifacts, for times are in them."""
        return self.root / "logs" / pipeline / key[:LOG_KEY_LENGTH]

    def get(self, stage: str, key: str) -> Artifact | None:
        """Return the artifact with this key, or None; files whose stat has changed are hashed again.

        One that is not here, or damaged, is fetched where the store is shared and has it.

        Raises:
            CorruptArtifact: the artifact is there, but a file of it is not the one that was published.
            StoreError: the shared store would have to be asked, and cannot be reached.
        """
        path = self.path(stage, key)
        if not path.is_dir():
            return None
        artifact = Artifact(path, read_manifest(path, stage, key))
        verify(artifact, self.memo.digests)
        return self.note_use(artifact)

    def get_remote_aware(self, stage: str, key: str, anew: bool = False) -> Artifact | None:
        """Return the artifact with this key as `get` does; where only the shared store has it, its files stay there.

        Args:
            stage: of the artifact.
            key: of the artifact.
            anew: ask the shared store what it has, also where it was asked before.

        Raises:
            CorruptArtifact: the artifact is here, but a file of it is not the one that was published.
            StoreError: the shared store would have to be asked, and cannot be reached.
        """
        return self.get(stage, key)

    def open_verified(self, reference: Reference, by_stat: bool = False) -> Artifact:
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
        return self.open_folder(self.path(stage, key), reference, artifact_name(stage, key), by_stat)

    def open_folder(
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
        artifact = Artifact(path, read_manifest(path, reference["stage"], reference["key"]))
        verify(artifact, self.memo.digests if by_stat else None)
        if artifact.reference != reference:
            raise CorruptArtifact(
                f"{path}: holds another result than the one referred to; it was refreshed since. Run again."
            )
        return self.note_use(artifact)

    def read_manifest(self, reference: Reference) -> dict[str, Any]:
        """Return what a referenced artifact was made of, without its files, which may be on the shared store alone.

        Raises:
            CorruptArtifact: it is gone or altered.
            StoreError: the shared store would have to be asked, and cannot be reached.
        """
        stage, key = reference["stage"], reference["key"]
        return read_manifest(self.path(stage, key), stage, key)

    def share(self, artifact: Artifact, shared_as: str) -> None:
        """Upload an artifact that is here, where the store is shared and has nothing under its name."""

    def artifacts(self) -> Iterator[Path]:
        """Yield the folder of every published artifact, sound or not."""
        yield from sorted(path for path in self.root.glob("*/??/*") if re.fullmatch(r"[0-9a-f]{64}", path.name))

    def check_writable(self) -> None:
        """Raise `StoreError` where nothing can be written: better before hours of work than after."""
        with translate_disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            write_atomically(self.root / ".writable", b"\n")  # which asks for room too

    @contextlib.contextmanager
    def draft(self, made_of: Identity) -> Iterator[Draft]:
        """Give a folder beside the artifact's own to build it in; remove it at the end if it was not published.

        Raises:
            StoreError: the store cannot be written to.
        """
        with self.temporary_folder(self.path(made_of.stage, made_of.key)) as path:
            yield Draft(path)

    @contextlib.contextmanager
    def temporary_folder(self, final: Path) -> Iterator[Path]:
        """Give an empty folder beside `final`, which begins with a key; remove it at the end if it was not placed.

        Raises:
            StoreError: the store cannot be written to.
        """
        with translate_disk_errors(self.root):
            final.parent.mkdir(parents=True, exist_ok=True)
            remove_abandoned(final)
            path = draft_beside(final)
            path.mkdir()
        try:
            with translate_disk_errors(self.root):
                yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def publish(self, draft: Draft, made_of: Identity, replace: bool = False) -> Artifact:
        """Make a filled draft the artifact of its key: flush, manifest last, rename.

        A sound artifact that is there already was published by another run meanwhile: it is returned and the draft
        is dropped, unless `replace`. A corrupt one is moved to quarantine.
        """
        made = Artifact(draft.path, write_manifest(draft.path, made_of, draft.counts, draft.measures))
        flush_folder(draft.path)
        return self.commit(made, self.path(made_of.stage, made_of.key), replace)

    def commit(self, made: Artifact, final: Path, replace: bool) -> Artifact:
        """Put a flushed draft with its manifest where it can be seen, as `publish` ends; return what is there."""
        if replace and final.exists():
            self.quarantine(final)
        return self.rename(made, final)

    def rename(self, draft: Artifact, final: Path) -> Artifact:
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

    def note_use(self, artifact: Artifact) -> Artifact:
        """Note on the folder, no file of which is touched, that it was used: no `gc` takes it from a run under way."""
        with contextlib.suppress(OSError):  # which is worth no failure
            os.utime(artifact.path)
        return artifact

    def quarantine(self, path: Path) -> Path:
        """Move an artifact's folder aside, where `gc` finds it, and return its new place."""
        aside = self.root / "quarantine" / f"{path.parent.parent.name}-{path.name[:16]}-{time.time_ns()}"
        with translate_disk_errors(self.root):
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
        with translate_disk_errors(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield acquire_lock(descriptor, wait)
        finally:
            os.close(descriptor)

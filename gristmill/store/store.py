"""Artifact store: immutable folders, each identified by a key of its inputs.

    root/<stage>/<key[:2]>/<key>/   data files and manifest.json
    root/runs/                      run records (`runs/records.py`)
    root/registry/                  versions with their bundles, and champions (`registry/registry.py`)
    root/predictions/               logged predictions (`monitoring/prediction_log.py`)
    root/scratch/<key>/             checkpoints from which a stage resumes after a kill
    root/downloads/<sha256>/        files from URLs (`downloads.py`)
    root/reports/                   pages (`reports/page.py`)
    root/logs/<pipeline>/<key[:12]>/    training curves for TensorBoard
    root/quarantine/                artifacts that failed verification or were replaced on request
    root/notifications/             runs with messages to send (`notifications/delivery.py`)
    root/schedule.json              the `gristmill schedule` that runs here (`schedule_announcement.py`)
    root/memo/                      results of reading files, by file stat; may be deleted at any time
    root/locks/                     locks; may be deleted at any time

An artifact is built in a sibling folder, flushed, given its manifest last and renamed into place, so every visible
artifact is complete. Locks only save work: two builders of one key publish equal content, and the second takes the
first's.

If several machines share the store, this folder is the cache of one of them (`remote/shared_store.py`). An artifact
that is missing or damaged here is then fetched, so every look-up may also raise `StoreError`: the shared store cannot
be reached.
"""

import contextlib
import errno
import fcntl
import logging
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.errors import CorruptArtifact
from gristmill.keys import Identity
from gristmill.store.artifact import Artifact, Reference, artifact_name, read_artifact, verify, write_manifest
from gristmill.util.files import StatCache, flush_folder, rename_folder, translate_disk_errors, write_atomically
from gristmill.util.processes import is_running, process_identity

if TYPE_CHECKING:
    from gristmill.store.remote.remote import Remote

logger = logging.getLogger(__name__)

PIPELINE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]*"  # names of pipelines, which become names of files
LOG_KEY_LENGTH = 12  # characters of the key that name a folder of logs; TensorBoard's column is narrow

_KEY_LENGTH = 16  # characters of the key that begin a draft's name
# Drafts are hidden folders; their names identify the process that builds or removes something in them.
_NAME_PATTERN = re.compile(r"\.[0-9a-f]+~(?P<pid>\d+)(?:~(?P<process>[\w-]+))?~\d+~(?P<host>.+)")


@dataclass
class Draft:
    """A folder being filled; it becomes an artifact by `publish` or is removed."""

    path: Path
    counts: dict[str, int] = field(default_factory=dict)  # numbers of records, repairs or parameters
    measures: dict[str, float] = field(default_factory=dict)  # seconds and peak memory, which differ between runs


class Store:
    """All artifacts of a project below one local folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.memo = StatCache(root / "memo")

    @property
    def remote(self) -> "Remote | None":
        """The shared store that this one caches; None for a store of its own."""
        return None

    @cached_property
    def cache(self) -> str:
        """Name of this cache in run records; empty if the store is not shared."""
        return ""

    def path(self, stage: str, key: str) -> Path:
        """Return the folder of an artifact, whether or not it exists."""
        return self.root / stage / key[:2] / key

    def scratch(self, key: str) -> Path:
        """Return the folder of the checkpoints from which a stage resumes after a kill."""
        return self.root / "scratch" / key

    def logs(self, pipeline: str, key: str) -> Path:
        """Return the folder of a training's curves; they contain times, so they are not part of the artifact."""
        return self.root / "logs" / pipeline / key[:LOG_KEY_LENGTH]

    def get(self, stage: str, key: str) -> Artifact | None:
        """Return the artifact with a key, or None; raise `CorruptArtifact` if a file of it is missing or altered.

        Files whose stat has changed are hashed again.
        """
        path = self.path(stage, key)
        try:
            if path.is_dir():
                artifact = read_artifact(path, stage, key)
                verify(artifact, self.memo.digests)
                return self.note_use(artifact)
        except CorruptArtifact:
            if fetched := self.fetch(artifact_name(stage, key), stage, key, path):
                return fetched
            raise
        return self.fetch(artifact_name(stage, key), stage, key, path)

    def get_remote_aware(self, stage: str, key: str, anew: bool = False) -> Artifact | None:
        """Return an artifact as `get` does, but do not fetch the files of one that only the shared store has.

        `anew` asks the shared store again even if its answer is cached.
        """
        path = self.path(stage, key)
        if path.is_dir():
            return self.get(stage, key)
        manifest = self.fetch_manifest(stage, key, anew)
        return Artifact(path, manifest) if manifest else None

    def open_verified(self, reference: Reference, by_stat: bool = False) -> Artifact:
        """Return a referenced artifact for reading, verified as by `open_folder`."""
        stage, key = reference["stage"], reference["key"]
        return self.open_folder(self.path(stage, key), reference, artifact_name(stage, key), by_stat)

    def open_folder(
        self, path: Path, reference: Reference, shared_as: str | None = None, by_stat: bool = False
    ) -> Artifact:
        """Return the referenced artifact in a folder after hashing every byte of it.

        With `by_stat`, only files whose stat has changed since they were last hashed are hashed. `shared_as` names its
        manifest in a shared store, from which it may be fetched. `CorruptArtifact` is raised if the artifact is
        missing, a file of it is altered, or it is another result.
        """
        stage, key = reference["stage"], reference["key"]
        try:
            artifact = read_artifact(path, stage, key)
            verify(artifact, self.memo.digests if by_stat else None)
            if artifact.reference != reference:
                raise CorruptArtifact(
                    f"{path}: holds another result than the one referred to; it was refreshed since. Run again."
                )
        except CorruptArtifact:
            if shared_as and (fetched := self.fetch(shared_as, stage, key, path, reference["digest"])):
                return fetched
            raise
        return self.note_use(artifact)

    def read_manifest(self, reference: Reference) -> dict[str, Any]:
        """Return the manifest of a referenced artifact without its files; raise `CorruptArtifact` if there is none."""
        stage, key = reference["stage"], reference["key"]
        try:
            return read_artifact(self.path(stage, key), stage, key).manifest
        except CorruptArtifact:
            if manifest := self.fetch_manifest(stage, key):
                return manifest
            raise

    def fetch(self, shared_as: str, stage: str, key: str, final: Path, digest: str | None = None) -> Artifact | None:
        """Fetch an artifact from the shared store to a folder; None if it is not there, or the store is not shared."""
        return None

    def fetch_manifest(self, stage: str, key: str, anew: bool = False) -> dict[str, Any] | None:
        """Return the manifest of an artifact in the shared store; None if there is none."""
        return None

    def share(self, artifact: Artifact, shared_as: str) -> None:
        """Upload a local artifact if the store is shared and has nothing under its name."""

    def artifacts(self) -> Iterator[Path]:
        """Yield the folder of every published artifact, sound or not."""
        yield from sorted(path for path in self.root.glob("*/??/*") if re.fullmatch(r"[0-9a-f]{64}", path.name))

    def write(self, path: Path, content: str | bytes) -> None:
        """Write a file below the store's folder atomically; raise `StoreError` if the disk is full or not writable."""
        with translate_disk_errors(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, content)

    def check_writable(self) -> None:
        """Raise `StoreError` if the store is not writable, so that hours of work are not lost."""
        self.write(self.root / ".writable", b"\n")  # checks for free space too

    @contextlib.contextmanager
    def draft(self, made_of: Identity) -> Iterator[Draft]:
        """Yield a folder in which to build an artifact; remove it at the end unless it was published."""
        with self.temporary_folder(self.path(made_of.stage, made_of.key)) as path:
            yield Draft(path)

    @contextlib.contextmanager
    def temporary_folder(self, final: Path) -> Iterator[Path]:
        """Yield an empty folder next to `final`; remove it at the end unless it was renamed."""
        with translate_disk_errors(self.root):
            final.parent.mkdir(parents=True, exist_ok=True)
            # Remove the drafts that killed processes left next to it.
            for left in final.parent.glob(f".{final.name[:_KEY_LENGTH]}~*"):
                if is_abandoned(left):
                    shutil.rmtree(left, ignore_errors=True)
            path = draft_beside(final)
            path.mkdir()
        try:
            with translate_disk_errors(self.root):
                yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def publish(self, draft: Draft, made_of: Identity, replace: bool = False) -> Artifact:
        """Turn a filled draft into the artifact of its key: flush, write the manifest, rename.

        If another run has published a sound artifact of the key, it is returned and the draft is dropped, unless
        `replace`. A corrupt one is moved to quarantine.
        """
        artifact = Artifact(draft.path, write_manifest(draft.path, made_of, draft.counts, draft.measures))
        flush_folder(draft.path)
        return self.commit(artifact, self.path(made_of.stage, made_of.key), replace)

    def commit(self, artifact: Artifact, final: Path, replace: bool) -> Artifact:
        """Make a flushed draft visible as the last step of `publish`, and return the artifact that is there."""
        if replace and final.exists():
            self.quarantine(final)
        return self.rename(artifact, final)

    def rename(self, draft: Artifact, final: Path) -> Artifact:
        """Rename a flushed draft to `final`; keep a sound artifact there, and move a corrupt one to quarantine."""
        try:
            rename_folder(draft.path, final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
            try:
                winner = read_artifact(final, draft.manifest["stage"], draft.manifest["key"])
                verify(winner)
                return winner
            except CorruptArtifact as damage:
                logger.warning("%s Moved to %s and replaced.", damage, self.quarantine(final))
                rename_folder(draft.path, final)
        return Artifact(final, draft.manifest)

    def note_use(self, artifact: Artifact) -> Artifact:
        """Update the modification time of an artifact's folder, so that `gc` does not remove it during a run."""
        with contextlib.suppress(OSError):
            os.utime(artifact.path)
        return artifact

    def quarantine(self, path: Path) -> Path:
        """Move an artifact's folder to quarantine, from which `gc` removes it, and return its new path."""
        aside = self.root / "quarantine" / f"{path.parent.parent.name}-{path.name[:16]}-{time.time_ns()}"
        with translate_disk_errors(self.root):
            aside.parent.mkdir(parents=True, exist_ok=True)
            path.rename(aside)
        return aside

    @contextlib.contextmanager
    def lock(self, key: str, wait: bool = True) -> Iterator[bool]:
        """Acquire a lock, blocking or not; yield whether it was acquired.

        The kernel releases the lock of a dead process. On a file system without locks every process acquires it: two
        builders of one key both build, and one result is kept.
        """
        path = self.root / "locks" / key
        with translate_disk_errors(self.root):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            yield _acquire(descriptor, wait)
        finally:
            os.close(descriptor)


def _acquire(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:  # the file system does not support locks
        pass
    return True


def draft_beside(final: Path) -> Path:
    """Return a name for a folder next to `final`, whose own name begins with a key."""
    process = filter(None, (str(os.getpid()), process_identity(os.getpid())))  # some systems only know the id
    prefix = f".{final.name[:_KEY_LENGTH]}"
    return final.parent / "~".join([prefix, *process, str(time.monotonic_ns()), socket.gethostname()])


def is_abandoned(draft: Path) -> bool:
    """Return whether the process in a draft's name ran on this host and has ended."""
    match = _NAME_PATTERN.fullmatch(draft.name)
    if match is None or match["host"] != socket.gethostname():
        return False
    return not is_running(int(match["pid"]), match["process"] or "")

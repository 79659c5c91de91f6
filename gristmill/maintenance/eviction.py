"""Cache of a shared store on one machine: upload artifacts that the shared store lacks, and limit the cache size."""

import logging
import shutil
from collections.abc import Container, Iterable
from contextlib import suppress
from pathlib import Path

from gristmill.errors import CorruptArtifact
from gristmill.maintenance.local import Garbage, first_running, used_by_reproductions
from gristmill.store.artifact import Artifact, Reference, artifact_name, read_artifact
from gristmill.store.remote.shared_store import SharedStore
from gristmill.store.staging import draft_beside
from gristmill.store.store import Store

logger = logging.getLogger(__name__)


def upload_missing(store: Store, references: Iterable[Reference]) -> None:
    """Upload artifacts that the shared store lacks because they predate sharing or are damaged there."""
    for reference in references if store.remote else ():
        stage, key = reference["stage"], reference["key"]
        with suppress(CorruptArtifact):  # removed meanwhile
            store.share(read_artifact(store.path(stage, key), stage, key), artifact_name(stage, key))


def evict(store: Store, dry_run: bool = False, without: Container[Path | str] = ()) -> list[Garbage]:
    """Remove the least recently used artifacts until the cache is below its size limit, and return them.

    Only artifacts that the shared store has are removed. Artifacts used since the start of the oldest active run on
    this machine are kept, and data on which a version is being trained again. `dry_run` only returns them. Folders in
    `without` do not count: they are removed anyway.
    """
    if not isinstance(store, SharedStore) or store.remote.limit is None:
        return []
    by_use: list[tuple[float, Path, Artifact]] = []
    for path in store.artifacts():
        with suppress(CorruptArtifact, FileNotFoundError):
            if path not in without:
                by_use.append((path.stat().st_mtime, path, read_artifact(path, path.parent.parent.name, path.name)))
    excess = sum(artifact.bytes for _, _, artifact in by_use) - store.remote.limit
    if excess <= 0:
        return []
    evicted: list[Garbage] = []
    since, reproduced = first_running(store, store.cache), used_by_reproductions(store)
    for used, path, artifact in sorted(by_use):
        if excess <= 0 or used >= since:
            break
        if path.resolve() in reproduced:
            continue
        reference = artifact.reference
        stage, key = reference["stage"], reference["key"]
        shared = store.remote.manifest(artifact_name(stage, key), stage, key)
        if shared is None or shared["digest"] != reference["digest"]:
            continue
        excess -= artifact.bytes
        evicted.append(Garbage(path, "used least recently; the shared store has it", artifact.bytes))
        if not dry_run:
            store.cache_manifest(shared)
            aside = draft_beside(path)  # hidden first: `gc` removes what a kill leaves
            with suppress(FileNotFoundError):  # another process has removed it
                path.rename(aside)
                shutil.rmtree(aside, ignore_errors=True)
    if evicted and not dry_run:
        freed = sum(item.bytes for item in evicted) / 1e9
        logger.info("%-10s %d artifacts, %.3f GB; the shared store has them", "evicted", len(evicted), freed)
    return evicted

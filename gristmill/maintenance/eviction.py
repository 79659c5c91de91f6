"""The cache of a shared store on one machine: what of it the others lack is uploaded, what is too much is removed."""

import logging
import shutil
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from gristmill.errors import CorruptArtifact
from gristmill.maintenance.local import Garbage
from gristmill.runs.records import Runs
from gristmill.store.artifact import Artifact, Reference, artifact_name, read_manifest
from gristmill.store.remote import manifest_cache
from gristmill.store.staging import draft_beside
from gristmill.store.store import Store

logger = logging.getLogger(__name__)


def upload_missing(store: Store, references: Iterable[Reference]) -> None:
    """Upload those of some artifacts that the shared store lacks: made before it was one, or damaged there since."""
    for reference in references if store.remote else ():
        path = store.path(reference["stage"], reference["key"])
        with suppress(CorruptArtifact):  # collected meanwhile, and so nothing to share
            store.share(
                Artifact(path, read_manifest(path, reference["stage"], reference["key"])),
                artifact_name(reference["stage"], reference["key"]),
            )


def evict(store: Store, dry_run: bool = False, without: Container[Path | str] = ()) -> list[Garbage]:
    """Remove the least recently used artifacts until the cache has no more bytes of them than it may; return them.

    Only what the shared store has, and nothing that was used since the oldest run that is under way here began.

    Args:
        store: the shared one, with this machine's cache.
        dry_run: only return what would be removed.
        without: folders that do not count, for they are to be removed anyway.

    Raises:
        StoreError: the shared store cannot be asked what it has.
    """
    if store.remote is None or store.remote.limit is None:
        return []
    found = sorted(entry for entry in _by_use(store) if entry[1] not in without)
    excess = sum(artifact.bytes for _, _, artifact in found) - store.remote.limit
    if excess <= 0:
        return []
    evicted: list[Garbage] = []
    since = _first_running_here(store)
    for used, path, artifact in found:
        if excess <= 0 or used >= since:
            break
        reference = artifact.reference
        name = artifact_name(reference["stage"], reference["key"])
        shared = store.remote.manifest(name, reference["stage"], reference["key"])
        if shared is None or shared["digest"] != reference["digest"]:
            continue
        excess -= artifact.bytes
        evicted.append(Garbage(path, "used least recently; the shared store has it", artifact.bytes))
        if not dry_run:
            manifest_cache.remember(manifest_cache.folder_of(store.root, store.remote.bucket.url), shared)
            _remove(path)
    if evicted and not dry_run:
        freed = sum(item.bytes for item in evicted) / 1e9
        logger.info("%-10s %d artifacts, %.3f GB; the shared store has them", "evicted", len(evicted), freed)
    return evicted


def _by_use(store: Store) -> Iterator[tuple[float, Path, Artifact]]:
    """Yield when each sound artifact was last used, where it lies, and what it is."""
    for path in store.artifacts():
        with suppress(CorruptArtifact, FileNotFoundError):
            yield path.stat().st_mtime, path, Artifact(path, read_manifest(path, path.parent.parent.name, path.name))


def _first_running_here(store: Store) -> float:
    """Return when the oldest run under way in this cache began, in seconds since the epoch; infinity if none is."""
    runs = Runs(store)
    records = (record for pipeline in runs.pipelines() for record in runs.newest_first(pipeline))
    own = (record for record in records if record.outcome == "running" and record.cache == store.cache)
    return min((record.started.timestamp() for record in own), default=float("inf"))


def _remove(path: Path) -> None:
    """Remove a folder, first from sight; what a kill leaves, `gc` takes for the draft of a process that died."""
    aside = draft_beside(path)
    with suppress(FileNotFoundError):  # another process was at it
        path.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

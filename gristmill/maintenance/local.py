"""Maintenance of the store: verify its content, and remove unreferenced files."""

import gc
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gristmill.errors import CorruptArtifact, GristmillError
from gristmill.registry.promotions import POINTER
from gristmill.registry.registry import Registry, ServingCheck
from gristmill.registry.version import Version
from gristmill.runs.records import Runs
from gristmill.store.artifact import Reference, read_artifact, verify
from gristmill.store.remote.remote import ORPHAN_AGE
from gristmill.store.store import LOG_KEY_LENGTH, Store, is_abandoned
from gristmill.util.files import files_below

REPRODUCTION = "as-of-"  # begins the lock and the scratch folder of a version that is trained again


@dataclass(frozen=True)
class Verification:
    """Result of verifying an artifact, a file of the registry, a version's bundle, or whether a version can serve."""

    path: Path | str  # a URL in a shared store
    damage: str | None  # None if every byte is intact
    kind: str = "artifact"
    version: Version | None = None  # version of a bundle
    repair: str = ""  # outcome of the repair, or why none is needed


@dataclass(frozen=True)
class Garbage:
    """A file or folder that nothing refers to."""

    path: Path | str  # a URL in a shared store
    reason: str
    bytes: int


def verify_store(store: Store) -> Iterator[Verification]:
    """Hash every file of every artifact and yield the results."""
    for path in store.artifacts():
        try:
            verify(read_artifact(path, path.parent.parent.name, path.name))
            yield Verification(path, None)
        except CorruptArtifact as damage:
            yield Verification(path, str(damage))


def verify_registry(registry: Registry) -> Iterator[Verification]:
    """Read every file of the registry, hash every version's bundle, and yield the results.

    Bundles that `repair` could not restore are left out: `gristmill models` marks their versions.
    """
    for path, damage in registry.damages():
        yield Verification(path, damage, "registry file")
    for version in (version for pipeline in registry.pipelines() for version in registry.versions(pipeline)):
        if registry.is_given_up(version) or registry.is_remote_only(version):
            continue
        folder = registry.folder(version)
        try:
            registry.bundle(version)
            yield Verification(folder, None, "bundle", version)
        except CorruptArtifact as error:
            damage = f"{error} v{version.number} of {version.pipeline} cannot be used."
            yield Verification(folder, damage, "bundle", version)


def verify_serving(versions: Iterable[Version], registry: Registry, check: ServingCheck) -> Iterator[Verification]:
    """Load versions with intact bundles and yield whether each can serve."""
    for version in versions:
        folder, damage = registry.folder(version), None
        try:
            check(version, folder)
        except GristmillError as error:
            damage = str(error)
        gc.collect()  # models hold references to themselves; without this, many would be in memory at once
        is_champion = version.number == registry.promoted(version.pipeline)
        yield Verification(folder, damage, "version", version, "" if is_champion else "It is not the champion.")


def repair(verification: Verification, store: Store, registry: Registry) -> Verification:
    """Restore a damaged bundle from the store, or quarantine the damaged file; return the action taken."""
    if verification.damage is None or isinstance(verification.path, str):
        return verification
    if verification.version:
        is_restored = registry.restore(verification.version)
        action = "Restored from the store." if is_restored else "The store no longer has it: moved to quarantine."
        return replace(verification, repair=action)
    if not verification.path.exists():  # `Registry.repair_pointers` restores a pointer; a version is lost
        is_pointer = verification.path.name == POINTER
        return replace(verification, repair="Written again from the latest promotion." if is_pointer else "")
    store.quarantine(verification.path)
    return replace(verification, repair="Moved to quarantine.")


def garbage(store: Store, keep_runs: int, others: Iterable[Reference] = ()) -> Iterator[Garbage]:
    """Yield files and folders that can be removed.

    These artifacts are kept: those of each pipeline's last successful runs, its newest run, the last retraining that
    judged a challenger (for comparison with later data), its champion and newest versions, the data of all
    versions, and `others`. Versions need no artifact to serve: they own their bundles.
    """
    registry = Registry(store)
    began, running = time.time(), first_running(store)
    since = min(began, running)  # later files may belong to runs whose records do not name them yet
    references = [*referenced_artifacts(store, keep_runs), *others]
    kept = {store.path(reference["stage"], reference["key"]) for reference in references}
    for path in store.artifacts():
        if path not in kept and path.stat().st_mtime < since:
            yield _sized(path, "no recent run or version refers to it")
    keys = {path.name for path in kept}
    kept_logs = {key[:LOG_KEY_LENGTH] for key in keys}
    for path in sorted(store.root.glob("logs/*/*")):
        if path.name not in kept_logs and max(inner.stat().st_mtime for inner in (path, *path.rglob("*"))) < since:
            yield _sized(path, "logs of a training that no recent run or version refers to")
    for path in sorted(store.root.glob("elsewhere/*/*/*.json")):
        if path.stem not in keys and path.stat().st_mtime < since:
            yield _sized(path, "of an artifact on the shared store that no recent run or version refers to")
    reproduced = used_by_reproductions(store)
    for path in sorted({*store.root.glob("scratch/*")} - reproduced) if running == float("inf") else []:
        if path.name in keys or _age(path) > ORPHAN_AGE:
            yield _sized(path, "checkpoints of a training that ended or was given up")
    for path in registry.orphan_bundles():
        if _age(path) > ORPHAN_AGE:
            yield _sized(path, "bundle that never became a version, or whose version was removed")
    for path in sorted([*store.root.glob("*/??/.*~*~*~*"), *store.root.glob("registry/*/bundles/.*~*~*~*")]):
        if is_abandoned(path) or _age(path) > ORPHAN_AGE:
            yield _sized(path, "left behind by a process that died")
    for path in sorted(store.root.glob("**/.*.*.*")):  # `files.temporary_name`; `.writable` stays
        if path.is_file() and _age(path) > ORPHAN_AGE:
            yield _sized(path, "left half-written by a process that died")
    for path in sorted(store.root.glob("quarantine/*")):
        yield _sized(path, "quarantined: damaged, or replaced by --refresh")


def remove(items: Iterable[Garbage]) -> None:
    """Remove files and folders that `garbage` yielded."""
    for item in items:
        if isinstance(item.path, str):
            continue
        if item.path.is_dir():
            shutil.rmtree(item.path, ignore_errors=True)  # another `gc` may remove it at the same time
        else:
            item.path.unlink(missing_ok=True)


def referenced_artifacts(store: Store, keep_runs: int) -> Iterator[Reference]:
    """Yield the artifacts that runs and versions need, including those of other machines whose records are here."""
    runs, registry = Runs(store), Registry(store)
    for pipeline in runs.pipelines():
        kept, judged, newest, compared = 0, False, True, False
        withdrawn = registry.withdrawn(pipeline)
        for record in runs.newest_first(pipeline):
            succeeded, retraining = record.outcome == "succeeded", record.retraining
            if succeeded and not record.trial and not compared and record.id not in withdrawn:
                compared = "ingest" in record.stages
                yield from (reference for label, reference in record.references.items() if label == "ingest")
            made_model = succeeded and record.made_model
            judges = succeeded and retraining is not None and retraining.judgement is not None
            if (
                (newest and not record.trial)
                or record.outcome == "running"
                or (made_model and kept < keep_runs)
                or (judges and not judged)
            ):
                kept, judged = kept + made_model, judged or judges
                yield from record.references.values()
            newest = newest and record.trial
    for pipeline in registry.pipelines():
        champion = None
        with suppress(CorruptArtifact):  # no version can be read
            champion = registry.champion(pipeline)
        for index, version in enumerate(registry.versions(pipeline)):
            is_whole = index < keep_runs or version == champion
            yield from (reference for label, reference in version.references.items() if is_whole or label == "ingest")


def data_of_versions(store: Store) -> dict[str, tuple[int, int]]:
    """Return the number of versions of each pipeline, and the bytes of the ingested data that is kept for them.

    Artifacts that only a shared store has do not count.
    """
    registry, sizes_of_data = Registry(store), {}
    for pipeline in registry.pipelines():
        versions = list(registry.versions(pipeline))
        keys = {version.references["ingest"]["key"] for version in versions if "ingest" in version.references}
        sizes = (file.stat().st_size for key in keys for file in files_below(store.path("ingest", key)))
        sizes_of_data[pipeline] = len(versions), sum(sizes)
    return sizes_of_data


def used_by_reproductions(store: Store) -> set[Path]:
    """Return the scratch folders of versions that are being trained again, and the folders of the data they read."""
    folders_in_use = set[Path]()
    for scratch in store.root.glob(f"scratch/{REPRODUCTION}*"):
        with store.lock(scratch.name, wait=False) as is_free:
            if not is_free:
                folders_in_use |= {scratch, *(link.resolve() for link in scratch.glob("ingest/*/*"))}
    return folders_in_use


def first_running(store: Store, cache: str | None = None) -> float:
    """Return the start of the oldest active run, of one cache or all, in seconds since the epoch; infinity if none."""
    runs = Runs(store)
    records = (record for pipeline in runs.pipelines() for record in runs.newest_first(pipeline))
    running = (record for record in records if record.outcome == "running" and cache in (None, record.cache))
    return min((record.started.timestamp() for record in running), default=float("inf"))


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _sized(path: Path, reason: str) -> Garbage:
    files = [path] if path.is_file() else files_below(path)
    return Garbage(path, reason, sum(file.stat().st_size for file in files))

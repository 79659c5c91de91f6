"""Care of the store: verify what lies there, remove what nothing refers to."""

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gristmill.errors import CorruptArtifact
from gristmill.registry.bundles import is_given_up
from gristmill.registry.promotions import POINTER
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.runs.records import Runs
from gristmill.store.artifact import Artifact, Reference, read_manifest, verify
from gristmill.store.staging import is_abandoned
from gristmill.store.store import LOG_KEY_LENGTH, Store
from gristmill.util.files import files_below

_ORPHAN_AGE = 24 * 3600  # seconds after which a draft of another host counts as abandoned


@dataclass(frozen=True)
class Verification:
    """What verification found of one artifact, of one file of the registry, or of a version's bundle."""

    path: Path | str  # the URL of what lies on a shared store
    damage: str | None  # None if every byte holds
    kind: str = "artifact"
    version: Version | None = None  # whose bundle it is
    repair: str = ""  # what was done about the damage


@dataclass(frozen=True)
class Garbage:
    """A file or folder that nothing refers to."""

    path: Path | str  # the URL of what lies on a shared store
    reason: str
    bytes: int


def verify_store(store: Store) -> Iterator[Verification]:
    """Hash every file of every artifact and yield what was found."""
    for path in store.artifacts():
        try:
            verify(Artifact(path, read_manifest(path, path.parent.parent.name, path.name)))
            yield Verification(path, None)
        except CorruptArtifact as damage:
            yield Verification(path, str(damage))


def verify_registry(registry: Registry) -> Iterator[Verification]:
    """Read every file of the registry and hash the bundle of every version, and yield what was found.

    All but the bundles that `repair` gave up: `gristmill models` marks their versions.
    """
    for path, damage in registry.damages():
        yield Verification(path, damage, "registry file")
    for version in (version for pipeline in registry.pipelines() for version in registry.versions(pipeline)):
        folder = registry.folder(version)
        if is_given_up(folder) or registry.is_remote_only(version):
            continue
        try:
            registry.bundle(version)
            yield Verification(folder, None, "bundle", version)
        except CorruptArtifact as damage:
            told = f"{damage} v{version.number} of {version.pipeline} cannot be used."
            yield Verification(folder, told, "bundle", version)


def repair(verdict: Verification, store: Store, registry: Registry) -> Verification:
    """Restore a damaged bundle from the store's artifact, if that holds; move aside what else is damaged.

    Returns:
        The verdict, which tells what was done.
    """
    if verdict.damage is None or isinstance(verdict.path, str):
        return verdict
    if verdict.version:
        restored = registry.restore(verdict.version)
        return replace(
            verdict, repair="Restored from the store." if restored else "The store has it no more: moved to quarantine."
        )
    if not verdict.path.exists():
        pointer = verdict.path.name == POINTER  # which `Registry.repair_pointers` writes; of a version nothing is left
        return replace(verdict, repair="Written again from the latest promotion." if pointer else "")
    store.quarantine(verdict.path)
    return replace(verdict, repair="Moved to quarantine.")


def garbage(store: Store, keep_runs: int, others: Iterable[Reference] = ()) -> Iterator[Garbage]:
    """Yield what can be removed.

    All but the artifacts of each pipeline's last successful runs, of its newest run and of the last retraining that
    judged a challenger (its data is compared with what comes), of its champion and its newest versions, and `others`.
    Versions need no artifact to serve: their bundles are their own.
    """
    registry = Registry(store)
    began, running = time.time(), first_running(Runs(store))
    since = min(began, running)  # what is made by runs under way, or by those that begin now, may be in no record yet
    kept = {
        store.path(reference["stage"], reference["key"])
        for reference in [*referenced_artifacts(store, keep_runs), *others]
    }
    for path in store.artifacts():
        if path not in kept and path.stat().st_mtime < since:
            yield _sized(path, "no recent run or version refers to it")
    keys = {path.name for path in kept}
    shown = {key[:LOG_KEY_LENGTH] for key in keys}
    for path in sorted(store.root.glob("logs/*/*")):
        if path.name not in shown and _touched(path) < since:
            yield _sized(path, "logs of a training that no recent run or version refers to")
    for path in sorted(store.root.glob("elsewhere/*/*/*.json")):
        if path.stem not in keys and path.stat().st_mtime < since:
            yield _sized(path, "of an artifact on the shared store that no recent run or version refers to")
    for path in sorted(store.root.glob("scratch/*")) if running == float("inf") else []:
        if path.name in keys or _age(path) > _ORPHAN_AGE:
            yield _sized(path, "checkpoints of a training that ended or was given up")
    for path in registry.orphan_bundles():
        if _age(path) > _ORPHAN_AGE:
            yield _sized(path, "bundle that never became a version, or whose version is gone")
    for path in sorted([*store.root.glob("*/??/.*~*~*~*"), *store.root.glob("registry/*/bundles/.*~*~*~*")]):
        if is_abandoned(path) or _age(path) > _ORPHAN_AGE:
            yield _sized(path, "left behind by a process that died")
    for path in sorted(store.root.glob("**/.*")):
        if path.is_file() and _age(path) > _ORPHAN_AGE:
            yield _sized(path, "left half-written by a process that died")
    for path in sorted(store.root.glob("quarantine/*")):
        yield _sized(path, "quarantined: damaged, or replaced by --refresh")


def referenced_artifacts(store: Store, keep_runs: int) -> Iterator[Reference]:
    """Yield the artifacts that runs and versions need, those of all machines as far as their records are here."""
    yield from _of_runs(Runs(store), keep_runs)
    yield from _of_versions(Registry(store), keep_runs)


def remove(items: Iterable[Garbage]) -> None:
    """Remove what `garbage` named."""
    for item in items:
        if isinstance(item.path, str):
            continue
        if item.path.is_dir():
            shutil.rmtree(item.path, ignore_errors=True)  # another `gc` may be at it too
        else:
            item.path.unlink(missing_ok=True)


def _of_runs(runs: Runs, keep_runs: int) -> Iterator[Reference]:
    for pipeline in runs.pipelines():
        kept, judged, newest = 0, False, True
        for record in runs.newest_first(pipeline):
            succeeded, retraining = record.outcome == "succeeded", record.retraining
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


def _of_versions(registry: Registry, keep_runs: int) -> Iterator[Reference]:
    for pipeline in registry.pipelines():
        champion = None
        with suppress(CorruptArtifact):  # no version of it can be read
            champion = registry.champion(pipeline)
        for index, version in enumerate(registry.versions(pipeline)):
            if index < keep_runs or version == champion:
                yield from version.references.values()


def first_running(runs: Runs) -> float:
    """Return when the oldest run that is under way began, in seconds since the epoch; infinity if none is."""
    records = (record for pipeline in runs.pipelines() for record in runs.newest_first(pipeline))
    return min((record.started.timestamp() for record in records if record.outcome == "running"), default=float("inf"))


def _touched(folder: Path) -> float:
    """Return when something in a folder was last written."""
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _sized(path: Path, reason: str) -> Garbage:
    files = [path] if path.is_file() else files_below(path)
    return Garbage(path, reason, sum(file.stat().st_size for file in files))

"""Maintenance of a shared store: verify its content, find unreferenced files, and limit its cache on one machine."""

import logging
import re
import shutil
import time
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from gristmill.errors import CorruptArtifact, StoreError
from gristmill.maintenance.local import Garbage, Verification, first_running, used_by_reproductions
from gristmill.registry.registry import Registry
from gristmill.store.artifact import Artifact, Reference, artifact_name, parse_manifest, read_artifact, verify
from gristmill.store.remote.remote import ORPHAN_AGE, Remote, object_name
from gristmill.store.remote.shared_store import SharedStore
from gristmill.store.store import Store, draft_beside
from gristmill.util.sealed_json import unseal

logger = logging.getLogger(__name__)

_MAX_CLOCK_SKEW = 3600.0  # seconds by which the clocks of machines and server may differ
_MANIFEST = re.compile(r"artifacts/(?P<stage>\w+)/(?P<key>[0-9a-f]{64})\.json|registry/[\w-]+/bundles/[0-9a-f-]+\.json")
_ENTRY = re.compile(r"registry/[\w-]+/(versions|promotions)/\d{6,}\.json")
_RECORD = re.compile(r"runs/[\w-]+/[\w-]+\.json")


def verify_shared(remote: Remote) -> Iterator[Verification]:
    """Hash every object of a shared store, read every manifest and file of the registry, and yield the results."""
    bucket, intact = remote.bucket, set[str]()
    listing = bucket.list_files("")
    for name in sorted(name for name in listing if name.startswith("objects/")):
        try:
            is_intact = bucket.digest(name) == PurePosixPath(name).name
        except FileNotFoundError:  # removed by `gc` of another machine
            continue
        intact |= {name} if is_intact else set()
        damage = None if is_intact else "altered since it was published (its SHA-256 does not hold)."
        yield _verification(bucket.url_of(name), damage, "shared object")
    for name, content in _read(remote, listing, _MANIFEST):
        try:
            lost = [named for named in _objects(name, content, bucket.url_of(name)) if named not in intact]
            damage = f"names {lost[0]}, which is missing or altered." if lost else None
            yield _verification(bucket.url_of(name), damage, "shared manifest")
        except CorruptArtifact as error:
            yield Verification(bucket.url_of(name), str(error), "shared manifest")
    for name, content in _read(remote, listing, _ENTRY):
        damage = None if _is_intact(content) else "altered since it was written."
        yield _verification(bucket.url_of(name), damage, "shared registry file")


def _verification(url: str, damage: str | None, kind: str) -> Verification:
    return Verification(url, f"{url}: {damage}" if damage else None, kind)


def repair_shared(verification: Verification, store: Store, remote: Remote) -> Verification:
    """Restore a damaged file of a shared store from this machine's cache, or remove it; return the action taken.

    Damaged objects must be repaired first, so that they are uploaded again with their manifests.
    """
    if verification.damage is None:
        return verification
    bucket = remote.bucket
    name = str(verification.path).removeprefix(f"{bucket.url}/")
    if verification.kind == "shared object":
        bucket.remove(name)
        return replace(verification, repair="Removed.")
    if verification.kind == "shared registry file":
        with suppress(OSError):
            if _is_intact(content := (store.root / name).read_bytes()):
                bucket.write(name, content)
                return replace(verification, repair="Written again from the cache.")
        return verification
    artifact = _MANIFEST.fullmatch(name)
    stage, key = (artifact["stage"], artifact["key"]) if artifact else (None, None)
    folder = store.path(stage, key) if stage and key else store.root / name.removesuffix(".json")
    with suppress(CorruptArtifact):  # the cache does not have it, or only damaged
        cached = read_artifact(folder, stage, key)
        verify(cached)
        bucket.remove(name)
        store.share(cached, name)
        return replace(verification, repair="Uploaded again from the cache.")
    if name.startswith("registry/"):
        return replace(verification, repair="Not changed: a machine whose cache has the file can repair it.")
    bucket.remove(name)
    return replace(verification, repair="Removed: the next run makes it again, or a machine that has it shares it.")


def shared_garbage(store: Store, remote: Remote, needed: Iterable[Reference]) -> Iterator[Garbage]:
    """Yield unreferenced files of a shared store: manifests without references, and objects without a manifest.

    `needed` is what any run, version or sweep needs (`local.referenced_artifacts`).

    Raises:
        StoreError: the shared store cannot be reached, or a record there was not pulled into this machine's cache.
    """
    bucket, now = remote.bucket, time.time()
    listing = bucket.list_files("")
    for name in listing:  # without a record of another machine, its work would be removed
        if (_RECORD.fullmatch(name) or _ENTRY.fullmatch(name)) and not (store.root / name).exists():
            raise StoreError(f"{name}: is on the shared store and not in the cache. Nothing was removed; run gc again.")
    since = min(now, first_running(store)) - _MAX_CLOCK_SKEW
    kept = {artifact_name(reference["stage"], reference["key"]) for reference in needed}
    removable = {
        name: "no recent run or version refers to it"
        for name, (_, age) in listing.items()
        if name.startswith("artifacts/") and name not in kept and now - age < since
    }
    # Find bundles without a version; skip a pipeline with an unreadable version.
    registry = Registry(store)
    for name, (_, age) in listing.items():
        parts = name.split("/")
        if len(parts) == 4 and parts[2] == "bundles" and age > ORPHAN_AGE:
            versions = list(registry.versions(parts[1]))
            written = [other for other in listing if other.startswith(f"registry/{parts[1]}/versions/")]
            owned = {f"{registry.folder(version).name}.json" for version in versions}
            if len(versions) == len(written) and parts[3] not in owned:
                removable[name] = "bundle that never became a version, or whose version was removed"
    # Find objects that no other manifest names.
    named = set[str]()
    for name, content in _read(remote, (name for name in listing if name not in removable), _MANIFEST):
        with suppress(CorruptArtifact):  # `verify` reports it
            named.update(_objects(name, content, name))
    old = [name for name, (_, age) in listing.items() if age > ORPHAN_AGE]
    unnamed = [name for name in old if name.startswith("objects/") and name not in named]
    removable |= dict.fromkeys(unnamed, "no artifact or bundle has it")
    probes = [name for name in old if name.startswith(".writable/")]
    removable |= dict.fromkeys(probes, "left behind by a process that died")
    yield from (Garbage(bucket.url_of(name), reason, listing[name][0]) for name, reason in removable.items())


def remove_shared(item: Garbage, remote: Remote) -> None:
    """Remove a file that `shared_garbage` yielded, unless it is an object that was uploaded again meanwhile."""
    name = str(item.path).removeprefix(f"{remote.bucket.url}/")
    if name.startswith("objects/"):
        current = remote.bucket.size_and_age(name)
        if current is None or current[1] <= ORPHAN_AGE:
            return
    remote.bucket.remove(name)


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


def _read(remote: Remote, listing: Iterable[str], names: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the small files whose names match."""
    yield from sorted(remote.bucket.read_all(name for name in listing if names.fullmatch(name)).items())


def _objects(name: str, content: bytes, where: str) -> list[str]:
    """Return the objects that a manifest names; a manifest under a key must be of that key."""
    match = _MANIFEST.fullmatch(name)
    stage, key = (match["stage"], match["key"]) if match else (None, None)
    return [object_name(file["sha256"]) for file in parse_manifest(content, where, stage, key)["files"].values()]


def _is_intact(content: bytes) -> bool:
    try:
        return unseal(content)[1]
    except ValueError:
        return False

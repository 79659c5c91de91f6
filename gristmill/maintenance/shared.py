"""Care of a shared store: verify what lies there, name what nothing refers to."""

import json
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from gristmill import keys
from gristmill.errors import CorruptArtifact, StoreError
from gristmill.maintenance.local import Garbage, Verification, first_running
from gristmill.registry.registry import Registry
from gristmill.runs.records import Runs
from gristmill.store.artifact import Artifact, Reference, artifact_name, parse_manifest, read_manifest, verify
from gristmill.store.remote.remote import ORPHAN_AGE, Remote, object_name
from gristmill.store.store import Store

_SKEW = 3600.0  # seconds by which the clocks of machines and server may differ
_MANIFEST = re.compile(r"artifacts/(?P<stage>\w+)/(?P<key>[0-9a-f]{64})\.json|registry/[\w-]+/bundles/[0-9a-f-]+\.json")
_ENTRY = re.compile(r"registry/[\w-]+/(versions|promotions)/\d{6,}\.json")
_MADE_AGAIN = "Removed: the next run makes it again, or a machine that has it shares it."

StoreListing = dict[str, tuple[int, float]]  # names to bytes and seconds of age


def verify_shared(store: Store) -> Iterator[Verification]:
    """Hash every object of a shared store, read every manifest and every file of the registry: yield what was found.

    Raises:
        StoreError: it cannot be reached.
    """
    if store.remote is None:
        return
    bucket, sound = store.remote.bucket, set[str]()
    listing = bucket.below("")
    for name in sorted(name for name in listing if name.startswith("objects/")):
        try:
            holds = bucket.digest(name) == PurePosixPath(name).name
        except FileNotFoundError:  # another machine's `gc` has just removed it
            continue
        sound |= {name} if holds else set()
        damage = None if holds else f"{bucket.where(name)}: altered since it was published (its SHA-256 does not hold)."
        yield Verification(bucket.where(name), damage, "shared object")
    for name, content in _read(store.remote, listing, _MANIFEST):
        damage = None
        try:
            manifest = parse_manifest(content, bucket.where(name), *_whose(name, content))
            lost = [object_name(file["sha256"]) for file in manifest["files"].values()]
            lost = [named for named in lost if named not in sound]
            damage = f"{bucket.where(name)}: names {lost[0]}, which is gone or altered." if lost else None
        except CorruptArtifact as error:
            damage = str(error)
        yield Verification(bucket.where(name), damage, "shared manifest")
    for name, content in _read(store.remote, listing, _ENTRY):
        damage = None if _is_sealed(content) else f"{bucket.where(name)}: altered since it was written."
        yield Verification(bucket.where(name), damage, "shared registry file")


def repair_shared(verdict: Verification, store: Store) -> Verification:
    """Restore what is damaged on a shared store from this machine's cache, or else remove it.

    Objects go first, so that with their manifests they are uploaded again.

    Returns:
        The verdict, which tells what was done.
    """
    if verdict.damage is None or store.remote is None:
        return verdict
    bucket = store.remote.bucket
    name = str(verdict.path).removeprefix(f"{bucket.url}/")
    if verdict.kind == "shared object":
        bucket.remove(name)
        return replace(verdict, repair="Removed.")
    if verdict.kind == "shared registry file":
        with suppress(OSError):
            if _is_sealed(content := (store.root / name).read_bytes()):
                bucket.write(name, content)
                return replace(verdict, repair="Written again from the cache.")
        return verdict
    artifact = re.fullmatch(_MANIFEST, name)
    stage, key = (artifact["stage"], artifact["key"]) if artifact else (None, None)
    folder = store.path(stage, key) if stage and key else store.root / name.removesuffix(".json")
    with suppress(CorruptArtifact, OSError, KeyError, ValueError):  # the cache has it not, or damaged too
        own = json.loads((folder / "manifest.json").read_bytes())
        held = Artifact(folder, read_manifest(folder, own["stage"], own["key"]))
        verify(held)
        bucket.remove(name)
        store.share(held, name)
        return replace(verdict, repair="Uploaded again from the cache.")
    if name.startswith("registry/"):
        return replace(verdict, repair="Left as it is: a machine whose cache has it can repair it.")
    bucket.remove(name)
    return replace(verdict, repair=_MADE_AGAIN)


def shared_garbage(store: Store, needed: Iterable[Reference]) -> Iterator[Garbage]:
    """Yield what can be removed from a shared store: manifests of what nothing refers to, and objects that none names.

    The records of all machines must have been pulled.

    Args:
        store: the shared one, with this machine's cache.
        needed: what any run, version or sweep needs (`upkeep.needed`).

    Raises:
        StoreError: it cannot be reached, or a record there is not here.
    """
    if store.remote is None:
        return
    bucket, now = store.remote.bucket, time.time()
    listing = bucket.below("")
    _refuse_unknown(listing, store)
    since = min(now, first_running(Runs(store))) - _SKEW
    kept = {artifact_name(reference["stage"], reference["key"]) for reference in needed}
    gone = {
        name: "no recent run or version refers to it"
        for name, (_, age) in listing.items()
        if name.startswith("artifacts/") and name not in kept and now - age < since
    }
    gone |= dict.fromkeys(
        _stray_bundles(listing, Registry(store)), "bundle that never became a version, or whose version is gone"
    )
    remaining = {name: size for name, size in listing.items() if name not in gone}
    named = set[str]()
    for name, content in _read(store.remote, remaining, _MANIFEST):
        with suppress(CorruptArtifact):  # `verify` tells
            manifest = parse_manifest(content, name, *_whose(name, content))
            named |= {object_name(file["sha256"]) for file in manifest["files"].values()}
    gone |= {
        name: "no artifact or bundle has it"
        for name, (_, age) in listing.items()
        if name.startswith("objects/") and name not in named and age > ORPHAN_AGE
    }
    gone |= {
        name: "left behind by a process that died"
        for name, (_, age) in listing.items()
        if name.startswith(".writable/") and age > ORPHAN_AGE
    }
    yield from (Garbage(bucket.where(name), reason, listing[name][0]) for name, reason in gone.items())


def remove_shared(item: Garbage, remote: Remote) -> None:
    """Remove what `shared_garbage` named; an object that was uploaded anew meanwhile stays: a manifest follows it."""
    name = str(item.path).removeprefix(f"{remote.bucket.url}/")
    if name.startswith("objects/"):
        found = remote.bucket.look(name)
        if found is None or found[1] <= ORPHAN_AGE:
            return
    remote.bucket.remove(name)


def _refuse_unknown(listing: StoreListing, store: Store) -> None:
    """Refuse to judge what is needed where a record is there and not here: another machine's work would be lost."""
    for name in listing:
        known = re.match(r"runs/[\w-]+/[\w-]+\.json$|registry/[\w-]+/(versions|promotions)/\d{6,}\.json$", name)
        if known and not (store.root / name).exists():
            raise StoreError(f"{name}: is on the shared store and not in the cache. Nothing was removed; run gc again.")


def _stray_bundles(listing: StoreListing, registry: Registry) -> Iterator[str]:
    """Yield the manifests of bundles that no version has; none of a pipeline with a version that cannot be read."""
    for name, (_, age) in listing.items():
        parts = name.split("/")
        if len(parts) == 4 and parts[2] == "bundles" and age > ORPHAN_AGE:
            versions = list(registry.versions(parts[1]))
            written = [other for other in listing if other.startswith(f"registry/{parts[1]}/versions/")]
            owned = {f"{registry.folder(version).name}.json" for version in versions}
            if len(versions) == len(written) and parts[3] not in owned:
                yield name


def _read(remote: Remote, listing: StoreListing, names: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the small files whose names fit, and what they hold."""
    yield from sorted(remote.bucket.read_all(name for name in listing if names.fullmatch(name)).items())


def _whose(name: str, content: bytes) -> tuple[str, str]:
    """Return stage and key that a manifest must have: by its name, or of a bundle's, by itself."""
    found = _MANIFEST.fullmatch(name)
    if found and found["key"]:
        return found["stage"], found["key"]
    with suppress(ValueError, TypeError, KeyError):
        manifest: dict[str, Any] = json.loads(content)
        return str(manifest["stage"]), str(manifest["key"])
    return "export", ""


def _is_sealed(content: bytes) -> bool:
    try:
        entry = json.loads(content)
        seal = entry.pop("seal")
    except (ValueError, AttributeError, KeyError, TypeError):
        return False
    return bool(keys.digest_of(entry) == seal)

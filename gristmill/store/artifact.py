"""An artifact: an immutable folder under its key, and the manifest that tells what it holds and what it was made of."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from gristmill import keys
from gristmill.errors import CorruptArtifact
from gristmill.keys import Identity
from gristmill.util.files import files_below, write_json

MANIFEST = "manifest.json"

Digests = Callable[[Path, list[str]], Mapping[str, str]]


class Reference(TypedDict):
    """What tasks pass on in place of data."""

    stage: str
    key: str
    digest: str


@dataclass(frozen=True)
class Artifact:
    """A published folder and its manifest."""

    path: Path
    manifest: dict[str, Any]

    @property
    def reference(self) -> Reference:
        return Reference(stage=self.manifest["stage"], key=self.manifest["key"], digest=self.manifest["digest"])

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.manifest["counts"])

    @property
    def bytes(self) -> int:
        return sum(int(file["size"]) for file in self.manifest["files"].values())


def write_manifest(
    folder: Path, made_of: Identity, counts: Mapping[str, int], measures: Mapping[str, float]
) -> dict[str, Any]:
    """Hash every file of a folder and write its manifest.

    Args:
        folder: the finished folder.
        made_of: what it was made of.
        counts: of records, repairs, parameters: whatever tells the size.
        measures: seconds, peak memory: what differs from one making to the next.

    Returns:
        The manifest.
    """
    files = {path.relative_to(folder).as_posix(): path for path in files_below(folder)}
    hashes = {name: keys.digest_of_file(path) for name, path in files.items()}
    manifest = {
        "stage": made_of.stage,
        "key": made_of.key,
        "digest": keys.digest_of(hashes),
        "made_of": made_of.parts,
        "files": {name: {"size": files[name].stat().st_size, "sha256": hashes[name]} for name in hashes},
        "counts": dict(counts),
        "measures": dict(measures),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_json(folder / MANIFEST, manifest | {"seal": keys.digest_of(manifest)})
    return manifest


def read_manifest(path: Path, stage: str, key: str) -> dict[str, Any]:
    """Return an artifact's manifest, checked against its own seal and against where it lies.

    Raises:
        CorruptArtifact: it is missing, not JSON, altered, or belongs to another key.
    """
    file = path / MANIFEST
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CorruptArtifact(f"{file}: cannot be read ({error.strerror}).") from None
    return parse_manifest(content, str(file), stage, key)


def parse_manifest(content: bytes, where: str, stage: str, key: str) -> dict[str, Any]:
    """Return the manifest that a file holds, checked against its own seal and against whose it must be.

    Raises:
        CorruptArtifact: it is not JSON, altered, or belongs to another key; `where` names it.
    """
    try:
        manifest = json.loads(content)
        seal = manifest.pop("seal")
        digest = keys.digest_of(manifest)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise CorruptArtifact(f"{where}: not a manifest.") from None
    if digest != seal or (manifest["stage"], manifest["key"]) != (stage, key):
        raise CorruptArtifact(f"{where}: altered since it was written.")
    return dict(manifest)


def verify(artifact: Artifact, digests: Digests | None = None) -> None:
    """Compare every file of an artifact with the hash in its manifest.

    Args:
        artifact: what to verify.
        digests: gives the hashes of files of a folder; every byte is read if not given.

    Raises:
        CorruptArtifact: naming the first file that is missing or altered.
    """
    recorded = {name: file["sha256"] for name, file in artifact.manifest["files"].items()}
    try:
        found = (digests or _read_digests)(artifact.path, list(recorded))
    except FileNotFoundError as error:
        raise CorruptArtifact(f"{error.filename}: missing, though its manifest lists it.") from None
    except OSError as error:
        raise CorruptArtifact(f"{error.filename or artifact.path}: cannot be read ({error.strerror}).") from None
    for name, digest in recorded.items():
        if found[name] != digest:
            raise CorruptArtifact(
                f"{artifact.path / name}: altered since it was published (its SHA-256 does not hold)."
            )


def _read_digests(folder: Path, names: list[str]) -> dict[str, str]:
    return {name: keys.digest_of_file(folder / name) for name in names}


def artifact_name(stage: str, key: str) -> str:
    """Return the name of an artifact's manifest on a shared store."""
    return f"artifacts/{stage}/{key}.json"

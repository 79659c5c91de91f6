"""Artifact: an immutable folder under its key, with a manifest of its content and origin."""

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
from gristmill.util.sealed_json import seal, unseal

MANIFEST = "manifest.json"


class Reference(TypedDict):
    """Reference to an artifact, which tasks pass on in place of data."""

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
    """Hash every file of a finished folder, and write and return its manifest (see `Draft` for the arguments)."""
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
    write_json(folder / MANIFEST, seal(manifest))
    return manifest


def read_artifact(path: Path, stage: str | None = None, key: str | None = None) -> Artifact:
    """Return the artifact in a folder; its manifest is checked against its seal, and against stage and key if given.

    Raises:
        CorruptArtifact: the manifest is missing, not JSON, altered, or belongs to another key.
    """
    file = path / MANIFEST
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CorruptArtifact(f"{file}: cannot be read ({error.strerror}).") from None
    return Artifact(path, parse_manifest(content, str(file), stage, key))


def parse_manifest(content: bytes, where: str, stage: str | None, key: str | None) -> dict[str, Any]:
    """Return a manifest from its file's content, checked as by `read_artifact`; errors begin with `where`."""
    try:
        manifest, is_intact = unseal(content)
    except ValueError:
        raise CorruptArtifact(f"{where}: not a manifest.") from None
    if not is_intact or stage not in (None, manifest["stage"]) or key not in (None, manifest["key"]):
        raise CorruptArtifact(f"{where}: altered since it was written.")
    return manifest


def verify(artifact: Artifact, digests: Callable[[Path, list[str]], Mapping[str, str]] | None = None) -> None:
    """Compare every file of an artifact with the hash in its manifest; raise `CorruptArtifact` if one differs.

    `digests` returns the hashes of files in a folder; every byte is read by default.
    """
    folder = artifact.path
    recorded = {name: file["sha256"] for name, file in artifact.manifest["files"].items()}
    try:
        if digests:
            actual = digests(folder, list(recorded))
        else:
            actual = {name: keys.digest_of_file(folder / name) for name in recorded}
    except FileNotFoundError as error:
        raise CorruptArtifact(f"{error.filename}: missing, though its manifest lists it.") from None
    except OSError as error:
        raise CorruptArtifact(f"{error.filename or folder}: cannot be read ({error.strerror}).") from None
    for name, digest in recorded.items():
        if actual[name] != digest:
            raise CorruptArtifact(f"{folder / name}: altered since it was published (its SHA-256 does not hold).")


def artifact_name(stage: str, key: str) -> str:
    """Return the name of an artifact's manifest in a shared store."""
    return f"artifacts/{stage}/{key}.json"

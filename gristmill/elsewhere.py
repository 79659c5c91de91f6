"""What a shared store was seen to have, remembered by its manifest: so a plan neither fetches files nor asks twice.

    root/elsewhere/<stage>/<key>.json

It may be gone there since, collected or damaged. Whoever wants the files learns it then, and it is forgotten.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from gristmill import identity
from gristmill.artifact import parse_manifest
from gristmill.errors import CorruptArtifact
from gristmill.files import write_json


def recall(root: Path, stage: str, key: str) -> dict[str, Any] | None:
    """Return the manifest of an artifact that the shared store was seen to have; None where nothing is known."""
    file = _file(root, stage, key)
    with suppress(OSError, CorruptArtifact):
        return parse_manifest(file.read_bytes(), str(file), stage, key)
    return None


def remember(root: Path, manifest: dict[str, Any]) -> None:
    """Note that the shared store has an artifact."""
    file = _file(root, manifest["stage"], manifest["key"])
    with suppress(OSError):  # a disk that is full: it is asked again
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, manifest | {"seal": identity.digest_of(manifest)})


def forget(root: Path, stage: str, key: str) -> None:
    """Note that the shared store has an artifact no more, or in another form."""
    _file(root, stage, key).unlink(missing_ok=True)


def _file(root: Path, stage: str, key: str) -> Path:
    return root / "elsewhere" / stage / f"{key}.json"

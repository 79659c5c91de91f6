"""What a shared store was seen to have, remembered by its manifest: so a plan neither fetches files nor asks twice.

    root/elsewhere/<of the shared store's URL>/<stage>/<key>.json

It may be gone there since, collected or damaged. Whoever wants the files learns it then, and it is forgotten.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from gristmill import keys
from gristmill.errors import CorruptArtifact
from gristmill.store.artifact import parse_manifest
from gristmill.util.files import write_json


def recall(folder: Path, stage: str, key: str) -> dict[str, Any] | None:
    """Return the manifest of an artifact that the shared store was seen to have; None where nothing is known."""
    file = _file(folder, stage, key)
    with suppress(OSError, CorruptArtifact):
        return parse_manifest(file.read_bytes(), str(file), stage, key)
    return None


def remember(folder: Path, manifest: dict[str, Any]) -> None:
    """Note that the shared store has an artifact."""
    file = _file(folder, manifest["stage"], manifest["key"])
    with suppress(OSError):  # a disk that is full: it is asked again
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, manifest | {"seal": keys.digest_of(manifest)})


def forget(folder: Path, stage: str, key: str) -> None:
    """Note that the shared store has an artifact no more, or in another form."""
    _file(folder, stage, key).unlink(missing_ok=True)


def folder_of(root: Path, url: str) -> Path:
    """Return where a store remembers what is on the shared store at a URL."""
    return root / "elsewhere" / keys.digest_of(url)[:16]


def _file(folder: Path, stage: str, key: str) -> Path:
    return folder / stage / f"{key}.json"

"""Small JSON files that reveal damage by a seal: the digest of their other content."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gristmill.errors import CorruptArtifact
from gristmill.keys import digest_of

M = TypeVar("M", bound=BaseModel)


def read(path: Path, kind: type[M]) -> M:
    """Return the content of a file; raise `CorruptArtifact` if it is missing, invalid or altered."""
    try:
        values, is_intact = unseal(path.read_bytes())
        content = kind.model_validate(values)
    except OSError as error:
        raise CorruptArtifact(f"{path}: cannot be read ({error.strerror}).") from None
    except (ValidationError, ValueError):
        raise CorruptArtifact(f"{path}: not a {kind.__name__.lower()}.") from None
    if not is_intact:
        raise CorruptArtifact(f"{path}: altered since it was written.")
    return content


def to_text(content: BaseModel) -> str:
    """Return the text of the sealed file of some content."""
    return json.dumps(seal(json.loads(content.model_dump_json())), indent=2, ensure_ascii=False) + "\n"


def seal(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with their seal."""
    return values | {"seal": digest_of(values)}


def unseal(content: bytes) -> tuple[dict[str, Any], bool]:
    """Return the values of a sealed file and whether their seal matches; raise `ValueError` for other files."""
    try:
        values: dict[str, Any] = json.loads(content)
        recorded = values.pop("seal")
        return values, digest_of(values) == recorded
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise ValueError("not a sealed JSON object") from None

"""Small JSON files that tell when they are damaged, by a seal: the digest of what else they hold."""

import json
import os
import time
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gristmill.errors import CorruptArtifact
from gristmill.keys import digest_of
from gristmill.util.files import flush_to_disk, write_atomically

M = TypeVar("M", bound=BaseModel)


def replace(path: Path, content: BaseModel) -> None:
    """Write a file over what was there."""
    write_atomically(path, to_text(content))


def create(path: Path, content: BaseModel) -> bool:
    """Write a file that is not there yet, whole or not at all; return whether this process was the first to."""
    aside = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        write_atomically(aside, to_text(content))
        path.hardlink_to(aside)  # which, unlike a rename, fails where there is a file
    except FileExistsError:
        return False
    finally:
        aside.unlink(missing_ok=True)
    flush_to_disk(path.parent)
    return True


def read(path: Path, kind: type[M]) -> M:
    """Return what a file holds.

    Raises:
        CorruptArtifact: it is gone, or not as it was written.
    """
    try:
        content = json.loads(path.read_bytes())
        seal = content.pop("seal")
        digest = digest_of(content)
        made = kind.model_validate(content)
    except OSError as error:
        raise CorruptArtifact(f"{path}: cannot be read ({error.strerror}).") from None
    except (ValidationError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        raise CorruptArtifact(f"{path}: not a {kind.__name__.lower()}.") from None
    if digest != seal:
        raise CorruptArtifact(f"{path}: altered since it was written.")
    return made


def to_text(content: BaseModel) -> str:
    """Return the text of a file that holds some content."""
    values = json.loads(content.model_dump_json())
    return json.dumps(values | {"seal": digest_of(values)}, indent=2, ensure_ascii=False) + "\n"

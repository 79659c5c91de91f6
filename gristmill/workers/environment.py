"""What a worker must have in common with who sends it work: elsewhere its results would bear other keys."""

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

from gristmill.config import stages
from gristmill.config.catalogue import PIPELINES_FILE
from gristmill.keys import library_versions
from gristmill.store.code_closure import PACKAGE

_OURS = ("gristmill", "flows", "tasks")


@cache
def fingerprint() -> dict[str, str]:
    """Return the versions in keys, of Python and by distribution, and gristmill's, with a digest of its code."""
    libraries = {library for domain in stages.DOMAINS for library in stages.libraries_of(domain)}
    ours = f"{metadata.version('gristmill')}, code {_digest()}"
    return {"gristmill": ours} | library_versions((), (*sorted(libraries), "prefect"))


def mismatch(here: dict[str, str], there: dict[str, str], project: str) -> str:
    """Return what hinders this process from doing another's work; nothing if all is well.

    Args:
        here: the surroundings of this process.
        there: those of the other.
        project: the folder of the project.
    """
    for name, version in there.items():
        if (own := here.get(name, "not installed")) != version:
            return f"{name}: {own}, where {version} is asked for. Install the same."
    if not (Path(project) / PIPELINES_FILE).is_file():
        return (
            f"{project}: no {PIPELINES_FILE}. A worker needs the project's folder at the same place: share or copy it."
        )
    return ""


def _digest() -> str:
    """Return a digest of our modules' code."""
    hashed = hashlib.sha256()
    root = PACKAGE.parent
    for path in sorted(path for name in _OURS for path in (root / name).rglob("*.py")):
        hashed.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return hashed.hexdigest()[:12]

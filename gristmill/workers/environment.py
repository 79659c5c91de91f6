"""Versions a worker must share with its client; otherwise cache keys would differ."""

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

from gristmill.config import stages
from gristmill.config.catalogue import PIPELINES_FILE
from gristmill.keys import library_versions
from gristmill.store.code_closure import PACKAGE


@cache
def fingerprint() -> dict[str, str]:
    """Return the versions of Python and libraries in keys, and gristmill's with a digest of its code."""
    libraries = {library for domain in stages.DOMAINS for library in stages.libraries_of(domain)}
    digest = hashlib.sha256()
    root = PACKAGE.parent
    for path in sorted(path for name in ("gristmill", "flows", "tasks") for path in (root / name).rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    gristmill = f"{metadata.version('gristmill')}, code {digest.hexdigest()[:12]}"
    return {"gristmill": gristmill} | library_versions((), (*sorted(libraries), "prefect"))


def mismatch(worker: dict[str, str], client: dict[str, str], project: str) -> str:
    """Return why a worker with one fingerprint cannot work for a client with another; empty if it can."""
    for name, version in client.items():
        if (own := worker.get(name, "not installed")) != version:
            return f"{name}: {own}, but {version} is required. Install the same version."
    if not (Path(project) / PIPELINES_FILE).is_file():
        return (
            f"{project}: no {PIPELINES_FILE}. A worker needs the project's folder at the same place: share or copy it."
        )
    return ""

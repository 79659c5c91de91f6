"""A unit of work, which any process can run that has the project's folder, its store, and the same versions."""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from gristmill.config.domains import DOMAINS
from gristmill.config.pipelines_file import PIPELINES_FILE
from gristmill.config.stages import libraries_of
from gristmill.keys import library_versions
from gristmill.store.code_closure import PACKAGE


@dataclass(frozen=True)
class Unit:
    """A flow with its parameters, all of them JSON values; its artifacts go to the store."""

    flow: str  # of a domain for a whole run, `trial` for a run up to its scores, `chunk` for a part of a stage
    parameters: dict[str, Any]  # including `pipeline` and `project`, the folder


@dataclass(frozen=True)
class WorkResult:
    """Result of a unit: the small JSON value that its flow returned, or an error in one line."""

    value: Any = None
    failed: str | None = None
    error: str | None = None  # class name of an exception that the flow raised


class WorkerDied(Exception):
    """A worker process ended during a unit; the message says how."""


@cache
def fingerprint() -> dict[str, str]:
    """Return the versions of Python and libraries in keys, and gristmill's with a digest of its code."""
    libraries = {library for domain in DOMAINS for library in libraries_of(domain)}
    digest = hashlib.sha256()
    # Two of the folders are links in a checkout, which `rglob` does not follow.
    for path in sorted({path for name in ("", "flows", "tasks") for path in (PACKAGE / name).rglob("*.py")}):
        digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
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

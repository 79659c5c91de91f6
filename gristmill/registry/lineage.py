"""Where a version came from: its run's bundle, the commit of the project, the code behind each stage's result."""

import os
import shutil
import subprocess
from pathlib import Path

from pydantic import BaseModel

from gristmill.errors import RequestError
from gristmill.keys import digest_of
from gristmill.runs.records import Record
from gristmill.store.artifact import Reference
from gristmill.store.store import Store

_PATIENCE = 30  # seconds that git may take
_ELSEWHERE = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")  # set in hooks: of the repository that runs them


class Git(BaseModel):
    """How a folder stands in git; all None where it is in no repository, or git is not installed."""

    commit: str | None = None
    dirty: bool | None = None  # whether files differ from the commit, untracked ones among them

    def __str__(self) -> str:
        return f"{self.commit[:12]}{' and changes' if self.dirty else ''}" if self.commit else ""


def exported_bundle(record: Record) -> Reference:
    """Return the bundle of a run.

    Raises:
        RequestError: it exported nothing.
    """
    if "export" not in record.references:
        raise RequestError(f"run {record.id!r} of pipeline {record.pipeline!r} exported no model. Choose another run.")
    return record.references["export"]


def git_of(folder: Path) -> Git:
    """Return the commit of the repository around a folder, and whether anything in it differs from the commit."""
    commit, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain")
    return Git() if commit is None or changes is None else Git(commit=commit.strip(), dirty=bool(changes))


def code_digests(record: Record, store: Store) -> dict[str, str]:
    """Return the digest of the code that each stage's result of a run depends on (`closure.py`), by stage.

    Raises:
        CorruptArtifact: an artifact of the run is gone, or its manifest is altered.
    """
    manifests = {label: store.read_manifest(reference) for label, reference in record.references.items()}
    return {label: digest_of(manifest["made_of"]["code"]) for label, manifest in manifests.items()}


def _git(folder: Path, *words: str) -> str | None:
    """Return what git says, None where it can say nothing."""
    git = shutil.which("git")
    if git is None:
        return None
    try:
        done = subprocess.run(
            [git, "-C", str(folder), *words],
            env={name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
            | {"GIT_OPTIONAL_LOCKS": "0"},  # `status` would write to the index
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE,
        )
    except (OSError, ValueError, subprocess.SubprocessError):  # no repository, no commit yet, another owner's
        return None
    return done.stdout

"""Origin of a version: the project's commit and the code behind each stage's result."""

import os
import shutil
import subprocess
from pathlib import Path

from pydantic import BaseModel

from gristmill.keys import digest_of
from gristmill.runs.records import Record
from gristmill.store.store import Store

_GIT_TIMEOUT = 30  # seconds
_HOOK_VARIABLES = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")  # name the repository that runs a hook


class Git(BaseModel):
    """Git state of a folder; all fields are None outside a repository, or if git is not installed."""

    commit: str | None = None
    dirty: bool | None = None  # whether files differ from the commit, including untracked ones

    def __str__(self) -> str:
        return f"{self.commit[:12]}{' and changes' if self.dirty else ''}" if self.commit else ""


def git_of(folder: Path) -> Git:
    """Return the commit of the repository around a folder, and whether the repository has changes."""
    commit, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain")
    return Git() if commit is None or changes is None else Git(commit=commit.strip(), dirty=bool(changes))


def code_digests(record: Record, store: Store) -> dict[str, str]:
    """Return, by stage, the digest of the code that the stage's result depends on (`code_closure.py`).

    Raises:
        CorruptArtifact: an artifact of the run is missing, or its manifest is altered.
    """
    manifests = {label: store.read_manifest(reference) for label, reference in record.references.items()}
    return {label: digest_of(manifest["made_of"]["code"]) for label, manifest in manifests.items()}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return the output of git; None if it fails."""
    git = shutil.which("git")
    if git is None:
        return None
    environment = {name: value for name, value in os.environ.items() if name not in _HOOK_VARIABLES}
    environment["GIT_OPTIONAL_LOCKS"] = "0"  # otherwise `status` writes to the index
    command = [git, "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=_GIT_TIMEOUT
        )
    except (OSError, ValueError, subprocess.SubprocessError):  # no repository, no commit yet, another owner's
        return None
    return done.stdout

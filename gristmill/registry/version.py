"""Version of a pipeline's model in the registry, and its origin: the project's commit and the code of each stage."""

import os
import shutil
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gristmill.registry.ledger import Entry
from gristmill.runs.records import DomainName, Record
from gristmill.scores import Scores
from gristmill.store.artifact import Reference
from gristmill.store.store import Store

CLEANING = "source.prepare"
"""Name in a version's `code` of the own code that cleans the data, which `predict` calls too."""

_SERVING_TABLES = ("source", "ingest", "preprocess")  # settings that `predict` reads data with
_GIT_TIMEOUT = 30  # seconds
_HOOK_VARIABLES = ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE")  # name the repository that runs a hook


class Git(BaseModel):
    """Git state of a folder; all fields are None outside a repository, or if git is not installed."""

    commit: str | None = None
    dirty: bool | None = None  # whether files differ from the commit, including untracked ones

    def __str__(self) -> str:
        return f"{self.commit[:12]}{' and changes' if self.dirty else ''}" if self.commit else ""


class Version(Entry):
    """An exported model with its scores, origin, and the settings, libraries and artifacts of its run."""

    domain: DomainName
    run: str  # id of the run's record
    settings: dict[str, Any]
    overrides: list[str]
    references: dict[str, Reference]  # by stage, or by label for a stage that fans out
    scores: dict[str, Any]  # of the bundle: model, baselines, headline
    versions: dict[str, str]  # of libraries
    git: Git
    code: dict[str, str]  # hash of each module and file that the results of its run depend on
    made: datetime  # when it was registered
    decision: dict[str, Any]  # verdict, reason, and findings of a retraining

    @property
    def evaluated(self) -> Scores:
        """The scores as a typed object."""
        return Scores.model_validate(self.scores)

    @property
    def trained_with(self) -> dict[str, Any]:
        """The settings of the exported model, in which a recipe or a recovery may have replaced tables of its run."""
        changed: dict[str, Any] = self.decision.get("tables", {})
        return self.settings | changed

    def serves_like(self, record: Record) -> bool:
        """Return whether a run exported this model, with the settings that it predicts with."""
        same_bundle = self.references["export"] == record.references.get("export")
        return same_bundle and all(self.settings.get(name) == record.settings.get(name) for name in _SERVING_TABLES)

    @property
    def loses_to_baseline(self) -> str | None:
        """Comparison with the best baseline if it is better on the test set; None otherwise."""
        scores = self.evaluated
        model_rank, baseline_rank = scores.headline.ranks
        if model_rank <= baseline_rank:
            return None
        model, baseline = scores.headline.pair
        return (
            f"loses to the baseline {scores.best_baseline}: {scores.metric} {model} against {baseline} on the test set"
        )


def git_of(folder: Path) -> Git:
    """Return the commit of the repository around a folder, and whether the repository has changes."""
    commit, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain")
    return Git() if commit is None or changes is None else Git(commit=commit.strip(), dirty=bool(changes))


def code_digests(record: Record, store: Store) -> dict[str, str]:
    """Return the hash of each module (`code_closure.py`) and file, such as `source.path`, that the results depend on.

    `CorruptArtifact` is raised if the manifest of an artifact is damaged.
    """
    digests: dict[str, str] = {}
    for reference in record.references.values():
        made_of = store.read_manifest(reference)["made_of"]
        digests |= made_of["code"] | {name: digest for name, digest in made_of["inputs"].items() if "." in name}
    return digests


def _git(folder: Path, *arguments: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    environment = {name: value for name, value in os.environ.items() if name not in _HOOK_VARIABLES}
    environment["GIT_OPTIONAL_LOCKS"] = "0"  # otherwise `status` writes to the index
    command = [git, "-C", str(folder), *arguments]
    try:
        completed = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=_GIT_TIMEOUT
        )
    except (OSError, ValueError, subprocess.SubprocessError):  # no repository, no commit yet, another owner's
        return None
    return completed.stdout

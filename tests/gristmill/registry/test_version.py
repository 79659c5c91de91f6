"""A version says whether a baseline is better; its origin is a commit and the code behind each stage's result."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gristmill import keys
from gristmill.errors import CorruptArtifact
from gristmill.registry.version import Git, Version, code_digests, git_of
from gristmill.runs.records import Record, StageRecord
from gristmill.store.artifact import Artifact
from gristmill.store.store import Store


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository without a commit, whatever the surroundings say of git."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    git(tmp_path, "init", "--quiet")
    (tmp_path / "pipelines.toml").write_text("")
    return tmp_path


def git(folder: Path, *words: str) -> str:
    given = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", folder, *given, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "All")
    return git(folder, "rev-parse", "HEAD")


def test_the_commit_is_told_and_whether_anything_differs_from_it(repository: Path) -> None:
    made = commit(repository)
    below = repository / "project"
    below.mkdir()

    assert git_of(repository) == git_of(below) == Git(commit=made, dirty=False)
    assert str(git_of(repository)) == made[:12]
    (repository / "pipelines.toml").write_text("changed")
    assert git_of(below) == Git(commit=made, dirty=True)
    assert str(git_of(repository)) == f"{made[:12]} and changes"
    git(repository, "checkout", "pipelines.toml")
    (below / "new.toml").write_text("")
    assert git_of(repository) == Git(commit=made, dirty=True)


def test_the_repository_is_the_folders_own_also_within_a_hook_of_another(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = commit(repository)
    monkeypatch.setenv("GIT_DIR", str(repository / "another/.git"))

    assert git_of(repository) == Git(commit=made, dirty=False)


def test_nothing_is_told_of_a_repository_without_a_commit(repository: Path) -> None:
    assert git_of(repository) == Git()
    assert str(Git()) == ""


def test_nothing_is_told_of_a_folder_in_no_repository(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    commit(repository)
    alone = tmp_path_factory.mktemp("alone")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(alone.parent))

    assert git_of(alone) == git_of(alone / "gone") == Git(commit=None, dirty=None)


def test_nothing_is_told_where_git_is_not_installed(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(repository)
    monkeypatch.setattr(shutil, "which", lambda name: None)

    assert git_of(repository) == Git()


def test_the_code_and_the_files_of_a_version_are_those_that_its_manifests_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    code = {"ingest": {"a": "1"}, "export": {"a": "1", "b": "2"}}
    made = {stage: publish(store, stage, modules) for stage, modules in code.items()}
    stages = {label: StageRecord(reference=art.reference, cached=False, seconds=1) for label, art in made.items()}
    record = Record(
        id="1", pipeline="small", domain="timeseries", settings={}, overrides=[],
        started=datetime(2020, 1, 1, tzinfo=UTC), stages=stages, versions={}, host="here", pid=1,
    )  # fmt: skip

    assert code_digests(record, store) == {"a": "1", "b": "2", "source.path": "3"}
    shutil.rmtree(made["ingest"].path)
    with pytest.raises(CorruptArtifact) as raised:
        code_digests(record, store)
    manifest = made["ingest"].path / "manifest.json"
    assert str(raised.value) == f"{manifest}: cannot be read (No such file or directory)."


def publish(store: Store, stage: str, code: dict[str, str]) -> Artifact:
    made_of = keys.identify(stage, code, {}, {"ingest": "4"} if stage == "export" else {"source.path": "3"}, {})
    with store.draft(made_of) as draft:
        return store.publish(draft, made_of)


def scored(**headline: Any) -> Version:
    return Version(
        number=1,
        pipeline="small",
        domain="timeseries",
        run="",
        settings={},
        overrides=[],
        references={},
        scores={"headline": headline, "best_baseline": "ar", "model": {}},
        versions={},
        git=Git(commit=None, dirty=False),
        code={},
        made=datetime(2020, 1, 1, tzinfo=UTC),
        decision={},
    )


@pytest.mark.parametrize(
    ("headline", "said"),
    [
        ({"metric": "mae", "model": 3.79, "baseline": 3.54}, "mae 3.79 against 3.54"),
        ({"metric": "mae", "model": float("nan"), "baseline": 3.54}, "mae nan against 3.54"),
        ({"metric": "accuracy", "model": 0.8, "baseline": 0.9, "higher_is_better": True}, "accuracy 0.8 against 0.9"),
        ({"metric": "mae", "model": 3.5, "baseline": 3.5}, None),
        ({"metric": "accuracy", "model": 0.9, "baseline": 0.8, "higher_is_better": True}, None),
    ],
)
def test_a_version_that_loses_to_a_baseline_says_so(headline: dict[str, Any], said: str | None) -> None:
    told = f"loses to the baseline ar: {said} on the test set" if said else None
    assert scored(**headline).loses_to_baseline == told

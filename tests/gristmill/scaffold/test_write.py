"""A draft made a project: checked before it is written, and nothing overwritten."""

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gristmill.config import catalogue
from gristmill.errors import RequestError
from gristmill.scaffold.proposal import (
    Guess,
    Proposal,
    check_new_project,
    is_store_ignored,
    pipeline_name,
    write_project,
)

DRAFT = Proposal(
    "tabular",
    "y of a line",
    {
        "source": [Guess("kind", "inline"), Guess("x", [1.0, 2.0]), Guess("y", [1.0, 2.0])],
        "ingest": [Guess("target", "y"), Guess("numbers", ["x"])],
        "model": [Guess("kind", "dense")],
    },
)


def test_a_project_is_a_file_that_loads_and_a_store_that_git_leaves_alone(tmp_path: Path) -> None:
    path = write_project(tmp_path / "new/project", "line", DRAFT)

    assert path == tmp_path / "new/project/pipelines.toml"
    assert catalogue.load(path.parent).pipeline("line").description == "y of a line"
    assert sorted(file.name for file in path.parent.iterdir()) == [".gitignore", "pipelines.toml"]
    assert (path.parent / ".gitignore").read_text() == "/data/store/\n"


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine\n")
    write_project(tmp_path, "line", DRAFT)
    before = (tmp_path / "pipelines.toml").read_text()
    with pytest.raises(RequestError, match=r"pipelines\.toml exists already, and is kept"):
        write_project(tmp_path, "other", DRAFT)

    assert (tmp_path / "pipelines.toml").read_text() == before
    assert (tmp_path / ".gitignore").read_text() == "mine\n"


def test_a_draft_that_gristmill_refuses_is_no_fault_of_the_users(tmp_path: Path) -> None:
    wrong = replace(DRAFT, tables=DRAFT.tables | {"train": [Guess("epochs", "many")]})
    with pytest.raises(RuntimeError, match="init proposed what gristmill itself rejects"):
        write_project(tmp_path / "new", "line", wrong)

    assert not (tmp_path / "new").exists()


def test_a_store_that_cannot_be_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRISTMILL_STORE", "https://bucket")
    with pytest.raises(
        RequestError,
        match=r"^GRISTMILL_STORE: expected a path",
    ):
        write_project(tmp_path / "new", "line", DRAFT)

    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("below", ["", "one", "one/two"])
def test_no_project_is_made_where_a_file_is(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RequestError, match=r"/file: a file, so no project can be made there\. Name a folder\.$"):
        check_new_project(tmp_path / "file" / below)


@pytest.mark.parametrize(
    ("lines", "ignored"),
    [("/data/store/\n", True), ("*.pyc\ndata/store", True), ("/data/\n", True), ("mydata/\n", False), ("", False)],
)
def test_it_is_seen_whether_git_leaves_the_store_alone(tmp_path: Path, lines: str, ignored: bool) -> None:
    (tmp_path / ".gitignore").write_text(lines)

    assert is_store_ignored(tmp_path) is ignored


@pytest.mark.parametrize(
    ("asked", "called", "name"),
    [
        (None, "sales 2024.csv.gz", "sales_2024"),
        (None, "_häuser_.parquet", "h_user"),
        (None, "*.csv", "first"),
        ("mine-1", "sales.csv", "mine-1"),
    ],
)
def test_a_pipeline_is_named_after_its_data(asked: str | None, called: str, name: str) -> None:
    assert pipeline_name(asked, called) == name


@pytest.mark.parametrize("asked", ["", "two words", "-x", "ü", "a\n"])
def test_a_name_that_names_no_file_is_refused(asked: str) -> None:
    with pytest.raises(RequestError, match="a pipeline's name has only letters, digits, - and _"):
        pipeline_name(asked, "sales.csv")


@pytest.mark.parametrize("refused", ["pipelines.toml", ".gitignore"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_project_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str, exists: bool
) -> None:
    open_file = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == refused and path.parent == tmp_path / "new/project" and args == ("x",):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_file(path, *args, **options)

    if exists:
        (tmp_path / "new/project").mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RequestError, match=r"project: cannot be written to \(Permission denied\)\. Name a folder"):
        write_project(tmp_path / "new/project", "line", DRAFT)

    assert sorted(tmp_path.rglob("*")) == before

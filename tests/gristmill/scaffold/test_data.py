"""Where data lies, and how a project's file calls it."""

import os
from pathlib import Path

import pytest

from gristmill.errors import DataError, RequestError
from gristmill.runs.locations import locate
from gristmill.scaffold.data import data_at
from gristmill.scaffold.proposal import Guess


@pytest.mark.parametrize(
    ("project", "written"),
    [
        (".", "in/a.csv"),
        ("in", "a.csv"),
        ("in/..", "in/a.csv"),
        ("beside", "../in/a.csv"),
        ("beside/below", "../../in/a.csv"),
        ("far/away/from/it", None),
    ],
)
def test_data_in_the_project_or_beside_it_is_called_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: str, written: str | None
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("a\n1\n")
    (tmp_path / project).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path)
    data = data_at("in/a.csv", Path(project))

    assert data.written == (written or str(tmp_path / "in/a.csv"))
    assert data.files() == (tmp_path / "in/a.csv",)
    assert data.name == "a.csv"
    assert locate(data.written, tmp_path / project, "source.path", tmp_path).files[0].samefile("in/a.csv")
    warning = "" if written else "on this machine; list its folder in GRISTMILL_DATA to write only the name"
    assert data.source_guesses("csv")[1] == Guess("path", data.written, warning)


def test_data_is_sought_in_the_folders_of_the_search_path_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("one", "two/in", "here"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "two/in/a.csv").write_text("a\n1\n")
    monkeypatch.setenv("GRISTMILL_DATA", os.pathsep.join([str(tmp_path / "one"), str(tmp_path / "two")]))
    monkeypatch.chdir(tmp_path / "here")

    for given in ("in/a.csv", "in/*.csv"):
        data = data_at(given, Path("new"))
        assert (data.written, data.files()) == (given, (tmp_path / "two/in/a.csv",))
    (tmp_path / "here/in").mkdir()
    (tmp_path / "here/in/a.csv").write_text("a\n1\n")
    assert data_at("in/a.csv", Path("new")).written == "../in/a.csv"  # the current folder comes first


def test_data_of_a_package_is_called_as_it_is(tmp_path: Path) -> None:
    data = data_at("package://statsmodels/datasets/nile/nile.csv", tmp_path)

    assert data.written == "package://statsmodels/datasets/nile/nile.csv"
    assert [path.name for path in data.files()] == ["nile.csv"]
    assert data.name == "nile.csv"


@pytest.mark.parametrize("project", ["in", "in/project", "in/new/project"])
def test_a_project_within_its_data_is_refused(tmp_path: Path, project: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(RequestError, match=r"contains the project .*, and so everything that its runs write"):
        data_at(str(tmp_path / "in"), tmp_path / project)


def test_data_that_is_not_there_is_told_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--data: no such file '.*none\.csv'\. Tried: "):
        data_at(str(tmp_path / "none.csv"), tmp_path).files()


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        (
            "postgresql://ann:hidden@host/db",
            r"gristmill does not read databases or buckets. Export .* Received: 'postgresql://…'",
        ),
        ("jdbc:mysql://host/db?user=ann&password=hidden", r"databases or buckets. .* Received: 'jdbc:mysql://…'"),
        ("sqlite:///sales.db", r"databases or buckets. .* Received: 'sqlite:///sales\.db'"),
        ("HTTPS://ann:hidden@host/a.csv", r"begins with https://, .* Received: 'HTTPS://…'"),
        ("https://ann:hidden@host/a.csv", r"a URL without a user or a password, .* Received: 'https://…'"),
    ],
)
def test_a_location_that_is_not_read_is_refused_without_its_secret(tmp_path: Path, given: str, refused: str) -> None:
    with pytest.raises(RequestError, match=rf"^--data: expected .*{refused}\.$") as raised:
        data_at(given, tmp_path, tmp_path / "downloads")
    assert "hidden" not in str(raised.value)

"""Where data lies, and how a project's file calls it."""

from pathlib import Path

import pytest

from gristmill.errors import DataError, RequestError
from gristmill.scaffold.data import data_at


@pytest.mark.parametrize(
    ("project", "written"), [(".", "in/a.csv"), ("in", "a.csv"), ("in/..", "in/a.csv"), ("elsewhere", None)]
)
def test_data_in_the_project_is_called_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project: str, written: str | None
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("a\n1\n")
    monkeypatch.chdir(tmp_path)
    data = data_at("in/a.csv", Path(project))

    assert data.written == (written or str(tmp_path / "in/a.csv"))
    assert data.files() == (tmp_path / "in/a.csv",)
    assert data.called == "a.csv"


def test_data_of_a_package_is_called_as_it_is(tmp_path: Path) -> None:
    data = data_at("package://statsmodels/datasets/nile/nile.csv", tmp_path)

    assert data.written == "package://statsmodels/datasets/nile/nile.csv"
    assert [path.name for path in data.files()] == ["nile.csv"]
    assert data.called == "nile.csv"


@pytest.mark.parametrize("project", ["in", "in/project", "in/new/project"])
def test_a_project_within_its_data_is_refused(tmp_path: Path, project: str) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(RequestError, match="lies in it, and so would all that its runs write"):
        data_at(str(tmp_path / "in"), tmp_path / project)


def test_data_that_is_not_there_is_told_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--data: no such file '.*none\.csv'\. Tried: "):
        data_at(str(tmp_path / "none.csv"), tmp_path).files()

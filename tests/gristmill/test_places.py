"""Places: absolute, in the project, in the folders of GRISTMILL_DATA, in that order."""

import os
import re
from pathlib import Path

import pytest

from gristmill.errors import DataError
from gristmill.places import locate

ASKED_BY = "[pipelines.small.source] path"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path, Path]:
    """The project's folder and two folders of GRISTMILL_DATA."""
    project, first, second = (tmp_path / name for name in ("project", "first", "second"))
    for folder in (project, first, second):
        folder.mkdir()
    monkeypatch.setenv("GRISTMILL_DATA", os.pathsep.join(map(str, (first, second))))
    return project, first, second


def test_an_absolute_place_is_taken_as_it_is(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    assert locate(str(tmp_path / "a.csv"), folders[0], ASKED_BY) == tmp_path / "a.csv"


def test_a_place_at_home_is_absolute(
    folders: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.csv").touch()
    assert locate("~/a.csv", folders[0], ASKED_BY) == tmp_path / "a.csv"


def test_a_relative_place_is_sought_in_the_project_first_and_then_in_order(folders: tuple[Path, Path, Path]) -> None:
    for folder in reversed(folders):
        (folder / "data").mkdir()
        (folder / "data/a.csv").touch()
        assert locate("data/a.csv", folders[0], ASKED_BY) == folder / "data/a.csv"


def test_a_folder_is_no_place(folders: tuple[Path, Path, Path]) -> None:
    (folders[0] / "series").mkdir()
    with pytest.raises(DataError, match="no such file 'series'"):
        locate("series", folders[0], ASKED_BY)
    (folders[2] / "series").touch()
    assert locate("series", folders[0], ASKED_BY) == folders[2] / "series"


@pytest.mark.parametrize("place", ["", ".", "..", "~nobody-of-this-name/x.csv", "x" * 300, "a\0b"])
def test_what_can_be_no_file_is_not_there(folders: tuple[Path, Path, Path], place: str) -> None:
    with pytest.raises(DataError, match=re.escape(f"{ASKED_BY}: no such file '{place}'. Tried: {folders[0]}")):
        locate(place, folders[0], ASKED_BY)


def test_an_error_names_who_asked_and_every_place_that_was_tried(folders: tuple[Path, Path, Path]) -> None:
    with pytest.raises(DataError) as raised:
        locate("a.csv", folders[0], ASKED_BY)
    tried = ", ".join(str(folder / "a.csv") for folder in folders)
    assert str(raised.value) == (
        f"{ASKED_BY}: no such file 'a.csv'. Tried: {tried}. "
        "Put it there, correct the path, or name its folder in GRISTMILL_DATA."
    )


def test_an_absolute_place_is_sought_nowhere_else(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"Tried: {tmp_path / 'gone.csv'}. ")):
        locate(str(tmp_path / "gone.csv"), folders[0], ASKED_BY)


@pytest.mark.parametrize("written", ["", os.pathsep, None])
def test_without_folders_only_the_project_is_tried(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, written: str | None
) -> None:
    if written is None:
        monkeypatch.delenv("GRISTMILL_DATA")
    else:
        monkeypatch.setenv("GRISTMILL_DATA", written)
    with pytest.raises(DataError, match=re.escape(f"Tried: {folders[0] / 'a.csv'}. ")):
        locate("a.csv", folders[0], ASKED_BY)

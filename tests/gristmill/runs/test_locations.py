"""Places: files, folders, patterns, packages and URLs; absolute, in the project, in the folders of GRISTMILL_DATA."""

import errno
import os
import re
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from gristmill.errors import DataError
from gristmill.runs import locations
from gristmill.runs.locations import Located, locate

ASKED_BY = "[pipelines.small.source] path"
SUFFIXES = (".csv", ".csv.gz")


def located(place: str, root: Path) -> list[Path]:
    """The files that a place names, where .csv and .csv.gz count."""
    return list(locate(place, root, ASKED_BY, root / "downloads", suffixes=SUFFIXES).files)


def touch(*paths: Path) -> None:
    """Make empty files, with their folders."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


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
    assert located(str(tmp_path / "a.csv"), folders[0]) == [tmp_path / "a.csv"]


def test_a_place_at_home_is_absolute(
    folders: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.csv").touch()
    assert located("~/a.csv", folders[0]) == [tmp_path / "a.csv"]


def test_a_relative_place_is_sought_in_the_project_first_and_then_in_order(folders: tuple[Path, Path, Path]) -> None:
    for folder in reversed(folders):
        (folder / "data").mkdir()
        (folder / "data/a.csv").touch()
        assert located("data/a.csv", folders[0]) == [folder / "data/a.csv"]


def test_a_place_above_the_project_has_no_dots(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    touch(tmp_path / "a.csv", tmp_path / "shared/b.csv")
    assert located("../a.csv", folders[0]) == [tmp_path / "a.csv"]
    with pytest.raises(DataError, match=re.escape(f"Tried: {tmp_path}/none.csv, ")):
        located("../none.csv", folders[0])
    (tmp_path / "shared/project").mkdir()
    (folders[0] / "link").symlink_to(tmp_path / "shared/project")
    assert located("../b.csv", folders[0] / "link") == [tmp_path / "shared/b.csv"]
    assert located("..", folders[0] / "link") == [tmp_path / "shared/b.csv"]


def test_a_folder_is_all_its_files_of_the_source_s_kind_sorted(folders: tuple[Path, Path, Path]) -> None:
    project = folders[0]
    wanted = [project / "series" / name for name in ("2023/b.csv", "2024/a.CSV", "a.csv", "b.csv.gz")]
    others = ("readme.txt", "b.gz", ".hidden.csv", ".cache/c.csv", "folder.csv/x.txt")
    touch(*reversed(wanted), *(project / "series" / name for name in others))
    (project / "series/gone.csv").symlink_to(project / "nowhere.csv")
    assert located("series", project) == wanted
    assert located(f"{project}/series/", project) == wanted


def test_a_link_in_a_folder_counts_like_the_file(folders: tuple[Path, Path, Path]) -> None:
    touch(folders[0] / "series/a.csv", folders[1] / "b.csv")
    (folders[0] / "series/b.csv").symlink_to(folders[1] / "b.csv")
    assert located("series", folders[0]) == [folders[0] / "series" / name for name in ("a.csv", "b.csv")]


def test_a_folder_without_such_files_is_passed_over_and_told(folders: tuple[Path, Path, Path]) -> None:
    touch(folders[0] / "series/readme.txt")
    with pytest.raises(DataError) as raised:
        located("series", folders[0])
    tried = ", ".join(str(folder / "series") for folder in folders)
    assert str(raised.value) == (
        f"{ASKED_BY}: no file .csv or .csv.gz in the folder 'series'. Tried: {tried}. "
        "Put it there, correct the path, or name its folder in GRISTMILL_DATA."
    )
    touch(folders[2] / "series/a.csv")
    assert located("series", folders[0]) == [folders[2] / "series/a.csv"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_told_not_left_out(folders: tuple[Path, Path, Path]) -> None:
    touch(folders[0] / "series/a.csv", folders[0] / "series/closed/b.csv")
    (folders[0] / "series/closed").chmod(0)
    with pytest.raises(DataError, match="closed: cannot be read"):
        located("series", folders[0])


def test_a_file_whose_stat_is_refused_is_told_not_left_out(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(folders[0] / "series/a.csv", folders[0] / "series/b.csv")

    def refuse(mode: int) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", "b.csv")

    monkeypatch.setattr(locations, "S_ISREG", refuse)  # root, as in some containers, is never refused
    with pytest.raises(DataError, match=r"b\.csv: cannot be read \(Permission denied\)"):
        located("series", folders[0])


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("data/2024-*.csv", ["data/2024-01.csv", "data/2024-02.csv"]),
        ("data/2024-0?.*", ["data/2024-01.csv", "data/2024-02.csv", "data/2024-02.txt"]),
        ("data/202[35]-*.csv", ["data/2023-12.csv"]),
        ("**/2023-*.csv", ["data/2023-12.csv", "data/old/2023-01.csv"]),
    ],
)
def test_a_pattern_is_all_files_that_match_sorted(
    folders: tuple[Path, Path, Path], pattern: str, names: list[str]
) -> None:
    every = ("2024-02.csv", "2024-01.csv", "2024-02.txt", "2023-12.csv", "old/2023-01.csv", ".2024-03.csv")
    for folder in folders[1:]:
        touch(*(folder / "data" / name for name in every))
    (folders[1] / "data/2024-04.csv").mkdir()
    assert located(pattern, folders[0]) == [folders[1] / name for name in names]
    assert located(str(folders[2] / pattern), folders[0]) == [folders[2] / name for name in names]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    touch(folders[0] / "a[1].csv", folders[0] / "a1.csv", tmp_path / "in [b]/c1.csv")
    assert located("a[1].csv", folders[0]) == [folders[0] / "a[1].csv"]
    assert located("c*.csv", tmp_path / "in [b]") == [tmp_path / "in [b]/c1.csv"]


def test_a_pattern_that_nothing_matches_is_told(folders: tuple[Path, Path, Path]) -> None:
    with pytest.raises(
        DataError, match=re.escape(f"{ASKED_BY}: no file matches '2024-*.csv'. Tried: {folders[0]}/2024-*")
    ):
        located("2024-*.csv", folders[0])


def test_a_package_gives_its_files_without_being_imported(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(folders[1] / "packed/data/a.csv", folders[1] / "packed/data/b.csv")
    (folders[1] / "packed/__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(folders[1])
    data = folders[1] / "packed/data"
    assert located("package://packed/data/a.csv", folders[0]) == [data / "a.csv"]
    assert located("package://packed/data", folders[0]) == [data / "a.csv", data / "b.csv"]
    assert located("package://packed/data/[b-z].csv", folders[0]) == [data / "b.csv"]
    assert "packed" not in sys.modules


@pytest.mark.parametrize("name", ["not_installed", "os", "not.installed", "__main__", ""])
def test_a_package_that_is_not_installed_is_told(folders: tuple[Path, Path, Path], name: str) -> None:
    with pytest.raises(DataError, match=rf"^{re.escape(ASKED_BY)}: no package '{name}' is installed\. Install it"):
        located(f"package://{name}/data/a.csv", folders[0])


def test_a_file_that_a_package_lacks_is_told(folders: tuple[Path, Path, Path]) -> None:
    with pytest.raises(
        DataError, match=r"no such file 'package://pytest/none\.csv'\. Tried: \S+/pytest/none\.csv\. Put"
    ):
        located("package://pytest/none.csv", folders[0])


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.org/data/series.csv.gz", "series.csv.gz"),
        ("http://example.org/my%20series.csv?version=2#rows", "my series.csv"),
        ("https://example.org/..%2F..%2Fseries.csv", "series.csv"),
        ("https://example.org/", "example.org"),
        ("http://[::1/a.csv", "a.csv"),
        ("https://example.org/%2E%2E", "file"),
        (f"https://example.org/{'x' * 300}.csv", f"{'x' * 96}.csv"),
    ],
)
def test_a_url_is_a_file_among_the_downloads_be_it_there_or_not(tmp_path: Path, url: str, name: str) -> None:
    found = locate(url, tmp_path / "project", ASKED_BY, tmp_path / "downloads", "ab" * 32)
    assert found == Located((tmp_path / "downloads" / ("ab" * 32) / name,), url, "ab" * 32)


def test_a_url_whose_file_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"^--input: https://example\.org/a\.csv can be read only where its sha256 is known"
    ):
        locate("https://example.org/a.csv", tmp_path, "--input", tmp_path / "downloads")


@pytest.mark.parametrize("place", ["", "~nobody-of-this-name/x.csv", "x" * 300, "a\0b"])
def test_what_can_be_no_file_is_not_there(folders: tuple[Path, Path, Path], place: str) -> None:
    with pytest.raises(DataError, match=re.escape(f"{ASKED_BY}: no such file '{place}'. Tried: {folders[0]}")):
        located(place, folders[0])


def test_an_error_names_who_asked_and_every_place_that_was_tried(folders: tuple[Path, Path, Path]) -> None:
    with pytest.raises(DataError) as raised:
        located("a.csv", folders[0])
    tried = ", ".join(str(folder / "a.csv") for folder in folders)
    assert str(raised.value) == (
        f"{ASKED_BY}: no such file 'a.csv'. Tried: {tried}. "
        "Put it there, correct the path, or name its folder in GRISTMILL_DATA."
    )


def test_an_absolute_place_is_sought_nowhere_else(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(f"Tried: {tmp_path / 'gone.csv'}. ")):
        located(str(tmp_path / "gone.csv"), folders[0])


@pytest.mark.parametrize("written", ["", os.pathsep, None])
def test_without_folders_only_the_project_is_tried(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, written: str | None
) -> None:
    if written is None:
        monkeypatch.delenv("GRISTMILL_DATA")
    else:
        monkeypatch.setenv("GRISTMILL_DATA", written)
    with pytest.raises(DataError, match=re.escape(f"Tried: {folders[0] / 'a.csv'}. ")):
        located("a.csv", folders[0])


@pytest.mark.parametrize("place", ["photos", "photos/*/*"])
def test_a_name_that_is_not_utf_8_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "photos/a").mkdir(parents=True)
    (tmp_path / "photos/a/1.jpg").write_bytes(b"x")
    (tmp_path / "photos/a" / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        locate(place, tmp_path, "[pipelines.birds.source] path", tmp_path, suffixes=(".jpg",))
    assert str(caught.value) == (
        f"[pipelines.birds.source] path: the name of the file '{tmp_path}/photos/a/caf\\udce9.jpg' is not UTF-8. "
        "Rename it, or move it away."
    )

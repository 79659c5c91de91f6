"""Sources that a whole command meets: hostile archives, clocks and rows in disorder, too little to learn from."""

import io
import json
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from conftest import SMALL
from helpers.scoreboard import Fault
from helpers.small_photos import write_photos
from helpers.support import Command, assert_all_whole, published, records, the_error

pytest_plugins = ["helpers.end_to_end"]
pytestmark = [pytest.mark.usefixtures("prefect_api"), pytest.mark.slow]

SHAPES = """
[pipelines.shapes]
domain = "vision"
source = { kind = "folder", path = "SOURCE" }
preprocess = { size = 32 }
model = { kind = "cnn", filters = [4] }
train = { epochs = 1 }
"""
CANARY = "canary.jpg"


def zip_of(path: Path, *hostile: tuple[str, int]) -> None:
    """Write a zip of sound photos and of members by their names and modes."""
    photos = write_photos(path.parent / "photos", ["disc", "square"], 8)
    with zipfile.ZipFile(path, "w") as archive:
        for photo in photos:
            archive.write(photo, photo.relative_to(path.parent))
        for name, mode in hostile:
            info = zipfile.ZipInfo("x")
            info.filename, info.external_attr = name, mode << 16
            archive.writestr(info, photos[0].read_bytes())


def tar_of(path: Path, kind: bytes) -> None:
    """Write a tar that begins with a link, and has a photo behind it."""
    link, photo = tarfile.TarInfo("disc"), tarfile.TarInfo(f"disc/{CANARY}")
    link.type, link.linkname, photo.size = kind, "..", 1
    with tarfile.open(path, "w") as archive:
        archive.addfile(link)
        archive.addfile(photo, io.BytesIO(b"x"))


@pytest.mark.fault(27)
@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        (
            "a.zip",
            lambda path: zip_of(path, (f"../{CANARY}", 0)),
            ", member '../canary.jpg': leads out of the archive.",
        ),
        ("a.zip", lambda path: zip_of(path, (f"/{CANARY}", 0)), ", member '/canary.jpg': leads out"),
        ("a.zip", lambda path: zip_of(path, ("disc/1.jpg", stat.S_IFLNK)), ", member 'disc/1.jpg': a link, a device"),
        ("a.zip", lambda path: zip_of(path, ("disc/\n1.jpg", 0)), ", member 'disc/\\n1.jpg': a control character in"),
        ("a.tar", lambda path: tar_of(path, tarfile.SYMTYPE), ", member 'disc': a link, a device or sparse."),
        ("a.tar", lambda path: tar_of(path, tarfile.LNKTYPE), ", member 'disc': a link, a device or sparse."),
        ("a.tar", lambda path: tar_of(path, tarfile.FIFOTYPE), ", member 'disc': a link, a device or sparse."),
    ],
    ids=["above", "absolute", "link in a zip", "control character", "link", "hard link", "pipe"],
)
def test_a_hostile_archive_is_refused_and_nothing_is_written_outside(
    name: str,
    write: Callable[[Path], None],
    message: str,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pipelines.toml").write_text(SHAPES.replace("SOURCE", name))
    write(project / name)
    monkeypatch.chdir(project)

    said = command("run", "shapes")

    assert said.status == 1
    assert the_error(said).startswith(f"{project}/{name}{message}")
    assert not list(tmp_path.rglob(CANARY))
    assert not Path(f"/{CANARY}").exists()
    assert published(project / "data/store", "ingest") == []
    fault.said(the_error(said).replace(f"{project}/", ""))


AUTUMN = pd.date_range("2023-10-20", periods=400, freq="h", tz="Europe/Berlin")  # the clock is put back in it


def disorderly() -> list[str]:
    """Return hourly rows by the clock of Berlin, as of another zone's; two of them late, one there twice."""
    zones = [AUTUMN.tz_convert("UTC") if at % 7 == 0 else AUTUMN for at in range(len(AUTUMN))]
    rows = [f"{zone[at].isoformat()},{at % 24}" for at, zone in enumerate(zones)]
    rows[10], rows[11] = rows[11], rows[10]
    return [*rows[:30], rows[29].rpartition(",")[0] + ",100", *rows[30:]]


@pytest.fixture
def hourly(project: Path) -> Path:
    (project / "series.csv").write_text("\n".join(["month,sunspots", *disorderly()]) + "\n")
    toml = SMALL.replace('target = "sunspots"', 'target = "sunspots"\nfrequency = "h"')
    (project / "pipelines.toml").write_text(toml)
    return project


@pytest.mark.fault(22)
@pytest.mark.parametrize(("policy", "value"), [("first", 5.0), ("last", 100.0), ("mean", 52.5)])
def test_rows_in_disorder_are_mended_as_the_settings_say_and_counted(
    policy: str, value: float, hourly: Path, command: Command
) -> None:
    """The clock of Berlin repeats an hour, beside rows of UTC; in UTC every hour is there once."""
    said = command("run", "small", "--set", f"ingest.duplicates={policy}", "--set", "preprocess.history=9000")

    assert "too few for a window" in the_error(said)  # ingest is done
    (folder,) = published(hourly / "data/store", "ingest")
    counts = json.loads((folder / "manifest.json").read_text())["counts"]
    assert counts == {"rows": 400, "duplicates": 1, "out_of_order": 1, "converted_to_utc": 343}
    assert json.loads((folder / "summary.json").read_text())["counts"] == counts
    assert "1 duplicate, 1 out of order, 343 converted to utc" in said.err
    series = pd.read_parquet(folder / "series.parquet")
    assert series["ds"].tolist() == AUTUMN.tz_convert("UTC").tz_localize(None).tolist()
    assert series["sunspots"][29] == value


@pytest.mark.fault(22)
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            disorderly(),
            "rows 31 and 32: both are 2023-10-21 03:00:00 (1 duplicate). Keep one row for each time, or set",
        ),
        (
            [f"{time:%Y-%m-%d %H:%M},1" for time in AUTUMN[:100]] + [f"{time.isoformat()},1" for time in AUTUMN[100:]],
            "row 102, column 'month': not a time in the format of the others: '2023-10-24T04:00:00+02:00' (300 such",
        ),
    ],
    ids=["duplicates", "with an offset and without"],
)
def test_rows_in_disorder_are_refused_where_no_setting_mends_them(
    rows: list[str], message: str, hourly: Path, command: Command, fault: Fault
) -> None:
    (hourly / "series.csv").write_text("\n".join(["month,sunspots", *rows]) + "\n")

    said = command("run", "small")

    assert said.status == 1
    assert the_error(said).startswith(f"{hourly}/series.csv {message}")
    assert published(hourly / "data/store", "ingest") == []
    fault.said(the_error(said).replace(f"{hourly}/", ""))


TABLES = """
[pipelines.line]
domain = "tabular"
source = { kind = "csv", path = "a.csv" }
ingest = { target = "y", numbers = "x" }
preprocess = { validation = 0, test = 4 }
model = { kind = "dense", units = [] }
train = { epochs = 1 }

[pipelines.films]
domain = "text"
source = { kind = "csv", path = "a.csv" }
ingest = { text = "x", label = "y" }
model = { kind = "embedding", dimensions = 2, units = [] }
train = { epochs = 1 }
"""
EMPTY = "{file}: the file is empty. Expected a header line and rows."
HEADER = "{file}: no rows. Expected at least one."


@pytest.mark.fault(24)
@pytest.mark.parametrize(
    ("pipeline", "content", "message"),
    [
        ("line", "", EMPTY),
        ("line", "x,y\n", HEADER),
        ("line", "x,y\n1,2\n", "the table has 1 row to train on, of which validation takes 0 and test takes 4"),
        ("line", "x,y\n" + "1,\n" * 20, "{file}: the target 'y' is empty in all 20 rows. Fill it, or name another"),
        ("line", "x,y\n" + "1,7\n2,7\n" * 9, "all 14 values of the target 'y' in the training set are 7: there is"),
        ("films", "", EMPTY),
        ("films", "x,y\n", HEADER),
    ],
    ids=["no file", "header", "one row", "no value", "constant", "no file of texts", "header of texts"],
)
def test_a_table_of_too_little_is_one_line_and_publishes_no_model(
    pipeline: str,
    content: str,
    message: str,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    (tmp_path / "pipelines.toml").write_text(TABLES)
    (tmp_path / "a.csv").write_text(content)
    monkeypatch.chdir(tmp_path)

    said = command("run", pipeline)

    assert said.status == 1
    assert the_error(said).startswith(message.format(file=tmp_path / "a.csv"))
    assert {*records(tmp_path, pipeline)[-1].stages} <= {"ingest"}
    assert_all_whole(tmp_path / "data/store")
    fault.said(the_error(said).replace(f"{tmp_path}/", ""))

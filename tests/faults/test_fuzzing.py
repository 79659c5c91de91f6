"""Sound files, damaged anywhere: each is read or refused, and no reader ends in another way."""

import csv
import io
import json
import math
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import SMALL
from gristmill import keys
from gristmill.config import catalogue
from gristmill.errors import CorruptArtifact, DataError, RequestError, WorkError
from gristmill.registry.promotions import Promotion
from gristmill.runs.records import Record, Runs
from gristmill.sources.photo import Photo
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.store.artifact import read_artifact, write_manifest
from gristmill.store.store import Store
from gristmill.util import sealed_json
from helpers.damage import attempt, damaged, tried
from helpers.given_photos import encoded, ingested, noise, photos
from helpers.scoreboard import Fault

pytestmark = pytest.mark.slow

DEEP = b"[" * 100_000
DIGITS = b"9" * 5_000

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROMOTION = Promotion(number=1, pipeline="small", version=2, previous=1, line=[1], when=NOW, why="better")
RECORD = Record(
    id="1", pipeline="small", domain="timeseries", settings={"train": {"epochs": 5}}, overrides=["train.epochs=5"],
    started=NOW, finished=NOW, outcome="succeeded", versions={"keras": "3"}, host="here", pid=1,
)  # fmt: skip
MADE_OF = keys.identify("train", {"gristmill": "00"}, {"train": {"rate": 0.5}}, {}, {"numpy": "2.1.0"})

TOML_MARKS = (
    b'"',
    b"[",
    b"]",
    b"{",
    b"}",
    b"=",
    b".",
    b"\n",
    b"#",
    b"-1",
    b"nan",
    b"true",
    b"\\u0000",
    b"\xff",
    DIGITS,
)
CELLS_MARKS = (b'"', b",", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xef\xbb\xbf", b" ", b"\xe2\x80\xa8", b"1")
JSON_MARKS = (
    b'"',
    b"{",
    b"}",
    b"[",
    b",",
    b":",
    b"\n",
    b"\\ud800",
    b"\\u0000",
    b"NaN",
    b"1e999",
    b"null",
    b"\xff",
    DIGITS,
)

ROWS = b't,y,more\na,1,x\n"b, ""c""",2.5,\n\n,,\n"d\ne",-3e2,y\r\nf,,z\n'
LINES = b'{"t": "a", "y": 1}\n\n{"y": null, "t": "c\\u00e9", "more": [{"z": 1}]}\r\n{"t": true, "y": 2.5e1}'


@pytest.mark.fault(29)
@tried(150)
@given(damaged(SMALL.encode(), *TOML_MARKS))
@example(b"a = " + DEEP)
@example(b"a = " + DIGITS)
def test_settings_are_read_or_refused_line_by_line(tmp_path: Path, fault: Fault, content: bytes) -> None:
    fault.tried(1)
    (tmp_path / "pipelines.toml").write_bytes(content)

    _, refusal = attempt(RequestError, lambda: catalogue.load(tmp_path))

    assert all(" " in line for line in refusal.splitlines())


@pytest.mark.fault(25)
@tried(300)
@given(damaged(ROWS, *CELLS_MARKS))
@example(b"t,y,y\na,1,2\n")
@example(b't,y\na,"1\n')
@example(b'\xef\xbb\xbf"t",y\ra,1\r')
@example(b"\rt,y\na,1\n")
def test_cells_are_those_that_python_reads_or_refused_in_one_line(tmp_path: Path, fault: Fault, content: bytes) -> None:
    fault.tried(1)
    path = tmp_path / "a.csv"
    path.write_bytes(content)

    found, refusal = attempt(DataError, lambda: Csv(kind="csv", path="a.csv").read([path], ["t"], ["y"]))

    assert len(refusal.splitlines()) == (found is None)
    if not found:
        return
    rows = dict(enumerate(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")), 1))
    header = rows.pop(next(row for row, cells in rows.items() if cells))  # empty rows may be above it
    wanted = {row: dict(zip(header, cells, strict=True)) for row, cells in rows.items() if any(cells)}
    frame = found.frame
    assert frame["t"].fillna("").to_dict() == {row: cells["t"] for row, cells in wanted.items()}
    for row, cells in wanted.items():
        assert frame["y"][row] == float(cells["y"]) if cells["y"].strip() else math.isnan(frame["y"][row])


@pytest.mark.fault(25)
@tried(150)
@given(damaged(LINES, *JSON_MARKS))
@example(b'{"t": "a", "y": 1, "y": 2}')
@example(b'{"t": ' + DEEP)
def test_lines_of_json_are_read_or_refused_with_their_row(tmp_path: Path, fault: Fault, content: bytes) -> None:
    fault.tried(1)
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)

    found, refusal = attempt(DataError, lambda: Jsonl(kind="jsonl", path="a.jsonl").read([path], ["t"], ["y"]))

    assert len(refusal.splitlines()) == (found is None)
    assert found or refusal.startswith(str(path))


@pytest.fixture
def manifest(tmp_path: Path) -> bytes:
    (tmp_path / "data.txt").write_text("x")
    write_manifest(tmp_path, MADE_OF, {"rows": 3}, {"seconds": 0.5})
    return (tmp_path / "manifest.json").read_bytes()


@pytest.mark.fault(7)
@tried(150)
@given(data=st.data())
def test_a_manifest_is_as_it_was_written_or_corrupt(
    tmp_path: Path, fault: Fault, manifest: bytes, data: st.DataObject
) -> None:
    fault.tried(1)
    (tmp_path / "manifest.json").write_bytes(data.draw(damaged(manifest, *JSON_MARKS, DEEP)))

    found, _ = attempt(CorruptArtifact, lambda: read_artifact(tmp_path, "train", MADE_OF.key).manifest)

    assert found in (None, {name: value for name, value in json.loads(manifest).items() if name != "seal"})


@pytest.mark.fault(7)
@tried(150)
@given(data=st.data())
def test_a_file_of_the_registry_is_as_it_was_written_or_corrupt(
    tmp_path: Path, fault: Fault, data: st.DataObject
) -> None:
    fault.tried(1)
    path = tmp_path / "champion.json"
    path.write_text(sealed_json.to_text(PROMOTION))
    path.write_bytes(data.draw(damaged(path.read_bytes(), *JSON_MARKS, DEEP)))

    found, _ = attempt(CorruptArtifact, lambda: sealed_json.read(path, Promotion))

    assert found in (None, PROMOTION)


@pytest.mark.fault(7)
@tried(100)
@given(damaged(RECORD.model_dump_json().encode(), *JSON_MARKS, DEEP))
def test_the_record_of_a_run_is_read_or_passed_over_and_told(tmp_path: Path, fault: Fault, content: bytes) -> None:
    fault.tried(1)
    file = tmp_path / "runs/small/1.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)

    found, refusal = attempt(WorkError, lambda: Runs(Store(tmp_path)).read("small", "1"))

    told = f"{file}: not a run record. Remove it; what the run made is still in the store."
    assert refusal == ("" if found else told)
    assert list(Runs(Store(tmp_path)).newest_first("small")) == ([found] if found else [])


PICTURES = {
    "JPEG": encoded(
        noise(20, 30), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    ),
    "PNG that moves": encoded(noise(20, 30), "PNG", save_all=True, append_images=[noise(20, 30, seed=1)]),
    "WebP that moves": encoded(noise(20, 30), "WEBP", save_all=True, append_images=[noise(20, 30, seed=1)]),
    "GIF": encoded(noise(20, 30), "GIF", comment=b"of noise"),
    "BMP": encoded(noise(20, 30).convert("P"), "BMP"),
}
SIZES = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0", b"\xff\xd8", b"\xff\xd9", b"IEND", b"IDAT", b"VP8X")


@pytest.mark.fault(26)
@pytest.mark.parametrize("form", PICTURES)
@tried(20)
@given(data=st.data())
def test_a_damaged_photo_is_taken_or_left_out_and_its_neighbours_stay(
    form: str, tmp_path: Path, fault: Fault, data: st.DataObject
) -> None:
    fault.tried(1)
    sound = photos({"a": 3, "b": 3})
    odd = Photo("a/odd", data.draw(damaged(PICTURES[form], *SIZES)), "a")

    counts = ingested(Path(tempfile.mkdtemp(dir=tmp_path)) / "out", [*sound[:2], odd, *sound[2:]], corrupt=0.2)

    assert counts["photos"] + counts.get("skipped", 0) == 7
    assert counts["photos"] >= 6

"""Photos and settings that a classifier cannot be made of: one line, no result, nothing lost."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.small_photos import write_photos
from helpers.support import Command

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.usefixtures("prefect_api")

TOML = """
[pipelines.shapes]
domain = "vision"
source = { kind = "folder", path = "photos" }
preprocess = { size = 32 }
model = { kind = "cnn", filters = [4] }
train = { epochs = 1 }
"""
TRANSFER = 'model = { kind = "transfer", base = "MobileNetV3Small", '


def replaced(before: str, after: str) -> Callable[[Path], None]:
    """Return an edit of `pipelines.toml`."""

    def edit(project: Path) -> None:
        file = project / "pipelines.toml"
        assert before in file.read_text()
        file.write_text(file.read_text().replace(before, after))

    return edit


def empty(project: Path) -> None:
    for photo in (project / "photos").rglob("*.jpg"):
        photo.unlink()


def one_photo(project: Path) -> None:
    write_photos(project / "photos", ["alone"], 1)
    replaced("model = {", 'ingest = { rare_classes = "error" }\nmodel = {')(project)


def text(project: Path) -> None:
    (project / "photos/disc/note.jpg").write_text("hello, world")


def truncated(project: Path) -> None:
    photo = project / "photos/disc/0000.jpg"
    photo.write_bytes(photo.read_bytes()[:300])


def other_hash(project: Path) -> None:
    (project / "other.weights.h5").write_bytes(b"no weights at all")
    weights = f'weights = "other.weights.h5", sha256 = "{"0" * 64}" }}'
    replaced('model = { kind = "cnn", filters = [4] }', TRANSFER + weights)(project)


@pytest.mark.fault(24)
@pytest.mark.fault(26)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (empty, "[pipelines.shapes.source] path: no file .jpg or .jpeg or .png"),
        (one_photo, "1 class has fewer than 2 photos that can be used: 1 'alone'. Add photos"),
        (truncated, "1 of 16 photos cannot be used, more than ingest.corrupt = 0.01 allows: disc/0000.jpg: truncated"),
        (replaced("filters = [4]", "filters = [4, 4, 4, 4, 4, 4]"), "model.filters"),
        (other_hash, f"but sha256 = {'0' * 64} is expected"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_cannot_be_learned_from_is_one_line(
    change: Callable[[Path], None],
    message: str,
    tmp_path: Path,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    write_photos(tmp_path / "photos", ["disc", "square"], 8)
    change(tmp_path)
    monkeypatch.chdir(tmp_path)

    said = command("-q", "run", "shapes")

    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert said.status in (1, 2)
    assert len(errors) == 1, said.err
    assert message in errors[0]
    assert not list((tmp_path / "data/store").glob("export/*/*"))


def test_a_format_whose_extra_is_missing_is_told_before_the_first_stage(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    write_photos(tmp_path / "photos", ["disc", "square"], 8)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)

    said = command("-q", "run", "shapes", "--set", 'export.formats=["keras", "onnx"]')

    assert (said.status, said.err) == (
        2,
        "error: export.formats: 'onnx' needs tf2onnx, which is not installed. Run: pip install 'gristmill[onnx]'.\n",
    )
    assert not list((tmp_path / "data/store").glob("*/??/*"))


@pytest.mark.fault(26)
@pytest.mark.slow
def test_a_few_corrupt_photos_are_left_out_and_counted(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch, parity_here: None
) -> None:
    (tmp_path / "pipelines.toml").write_text(TOML)
    write_photos(tmp_path / "photos", ["disc", "square"], 8)
    text(tmp_path)
    monkeypatch.chdir(tmp_path)

    said = command("run", "shapes", "--set", "ingest.corrupt=0.1")

    assert said.status == 0, said.err
    assert "(16 photos, 2 classes, 1 skipped)" in said.err

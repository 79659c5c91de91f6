"""Sealed files: read back as written, and rejected if they were altered."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from gristmill.errors import CorruptArtifact
from gristmill.util import sealed_json


class Note(BaseModel):
    text: str
    weight: float = 0.1


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "note.json"
    path.write_text(sealed_json.to_text(Note(text="né", weight=1e-300)), encoding="utf-8")
    assert sealed_json.read(path, Note) == Note(text="né", weight=1e-300)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not a note."),
        (b"\xff", "not a note."),
        (b"[]", "not a note."),
        (b"[" * 100_000, "not a note."),
        (b"3", "not a note."),
        (b'{"text": "x"}', "not a note."),
        (b'{"seal": "0"}', "not a note."),
        (b'{"text": "x", "seal": "0"}', "altered since it was written."),
    ],
)
def test_what_was_not_written_so_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "note.json"
    path.write_bytes(content)
    with pytest.raises(CorruptArtifact) as raised:
        sealed_json.read(path, Note)
    assert str(raised.value) == f"{path}: {told}"


def test_what_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifact) as raised:
        sealed_json.read(tmp_path / "note.json", Note)
    assert str(raised.value) == f"{tmp_path}/note.json: cannot be read (No such file or directory)."

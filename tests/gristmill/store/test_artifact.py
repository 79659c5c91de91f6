"""An artifact's manifest: what it holds, what it was made of, and a seal that tells whether it was altered."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gristmill import keys
from gristmill.errors import CorruptArtifact
from gristmill.store.artifact import Artifact, read_artifact, verify, write_manifest

MADE_OF = keys.identify("train", {"gristmill": "00"}, {"train": {"learning_rate": 1e-3}}, {}, {"numpy": "2.1.0"})


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    """Two files, one in a folder, and their manifest."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "data.txt").write_text("content")
    (tmp_path / "inner/more.txt").write_text("more")
    return Artifact(tmp_path, write_manifest(tmp_path, MADE_OF, {"rows": 3}, {"seconds": 0.1}))


def edit(path: Path, **changed: Any) -> None:
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps(manifest | changed))


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def test_a_manifest_is_read_as_it_was_written(artifact: Artifact) -> None:
    assert read_artifact(artifact.path, "train", MADE_OF.key).manifest == artifact.manifest
    assert artifact.manifest["made_of"] == MADE_OF.parts
    assert artifact.counts == {"rows": 3}
    assert artifact.bytes == len("content") + len("more")
    verify(artifact)


def test_a_manifest_lists_every_file_with_its_size_and_hash(artifact: Artifact) -> None:
    assert artifact.manifest["files"] == {
        name: {"size": size, "sha256": keys.digest_of_file(artifact.path / name)}
        for name, size in (("data.txt", 7), ("inner/more.txt", 4))
    }


def test_a_manifest_is_sealed(artifact: Artifact) -> None:
    written = json.loads((artifact.path / "manifest.json").read_text())
    assert written.pop("seal") == keys.digest_of(written)


def test_a_digest_is_of_names_and_content_alone(tmp_path: Path) -> None:
    def digest_of(name: str, content: str, **counts: int) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        (folder / name).write_text(content)
        made_of = keys.identify("train", {}, {"a": counts}, {}, {})
        return Artifact(folder, write_manifest(folder, made_of, counts, counts)).reference["digest"]

    assert digest_of("a", "x", rows=1) == digest_of("a", "x", rows=2)
    assert len({digest_of("a", "x"), digest_of("b", "x"), digest_of("a", "y")}) == 3


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: (path / "manifest.json").unlink(), "cannot be read (No such file or directory)"),
        (lambda path: make_folder(path / "manifest.json"), "cannot be read (Is a directory)"),
        (lambda path: os.truncate(path / "manifest.json", 40), "not a manifest"),
        (lambda path: os.truncate(path / "manifest.json", 0), "not a manifest"),
        (lambda path: (path / "manifest.json").write_text("[]"), "not a manifest"),
        (lambda path: (path / "manifest.json").write_text("{}"), "not a manifest"),
        (lambda path: (path / "manifest.json").write_text("null"), "not a manifest"),
        (lambda path: (path / "manifest.json").write_bytes(b"\xff"), "not a manifest"),
        (lambda path: (path / "manifest.json").write_bytes(b"[" * 100_000), "not a manifest"),
        (lambda path: edit(path, counts={"rows": 4}), "altered since it was written"),
        (lambda path: edit(path, counts={"rows": 3.0}), "altered since it was written"),
        (lambda path: edit(path, key="00"), "altered since it was written"),
        (lambda path: edit(path, files={}), "altered since it was written"),
        (lambda path: edit(path, more=1), "altered since it was written"),
    ],
)
def test_a_damaged_manifest_is_found(artifact: Artifact, damage: Callable[[Path], object], said: str) -> None:
    damage(artifact.path)
    with pytest.raises(CorruptArtifact, match=re.escape(f"{artifact.path / 'manifest.json'}: {said}")):
        read_artifact(artifact.path, "train", MADE_OF.key)


@pytest.mark.parametrize(("stage", "key"), [("evaluate", MADE_OF.key), ("train", MADE_OF.key[::-1])])
def test_a_manifest_of_another_artifact_is_refused(artifact: Artifact, stage: str, key: str) -> None:
    with pytest.raises(CorruptArtifact, match="altered"):
        read_artifact(artifact.path, stage, key)


@pytest.mark.parametrize("position", range(7))
def test_every_flipped_byte_is_found(artifact: Artifact, position: int) -> None:
    file = artifact.path / "data.txt"
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)
    with pytest.raises(CorruptArtifact, match=re.escape(f"{file}: altered since it was published")):
        verify(artifact)


def test_a_missing_file_is_found(artifact: Artifact) -> None:
    (artifact.path / "inner/more.txt").unlink()
    with pytest.raises(CorruptArtifact, match=re.escape(f"{artifact.path / 'inner/more.txt'}: missing, though")):
        verify(artifact)


def test_a_folder_where_a_file_should_be_is_found(artifact: Artifact) -> None:
    make_folder(artifact.path / "data.txt")
    with pytest.raises(CorruptArtifact, match=re.escape(f"{artifact.path / 'data.txt'}: cannot be read (Is a dir")):
        verify(artifact)

"""TensorFlow Serving's folders appear with a whole model, or not at all."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.errors import CorruptArtifact, RequestError
from gristmill.project.project import Project
from gristmill.registry import numbered_folder
from gristmill.registry.numbered_folder import copy_saved_model
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.store.store import Store
from gristmill.util.files import files_below
from helpers.support import Command, the_error

pytest_plugins = ["helpers.end_to_end"]


@pytest.fixture
def project(finished_project: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with a run that exported a SavedModel; the current folder of the test."""
    shutil.copytree(finished_project("text"), tmp_path, symlinks=True, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def promoted(project: Path) -> Path:
    """Return the project with a champion."""
    Project.open(project).promote("films")
    return project


def version_of(project: Path) -> tuple[Registry, Version]:
    registry = Registry(Store(project / "data/store"))
    return registry, registry.version("films", 1)


def test_the_champion_gets_a_folder_with_its_number(promoted: Path, command: Command) -> None:
    said = command("export", "films", "--to", "models/films")

    assert said.out == "films: v1 is in models/films/1\n"
    registry, version = version_of(promoted)
    source, copy = registry.folder(version) / "saved_model", promoted / "models/films/1"
    names = [path.relative_to(copy) for path in files_below(copy)]
    assert names == [path.relative_to(source) for path in files_below(source)]
    assert all((copy / name).read_bytes() == (source / name).read_bytes() for name in names)
    assert not any((copy / name).samefile(source / name) for name in names)  # the server may change its files
    assert [path.name for path in copy.parent.iterdir()] == ["1"]


def test_an_equal_folder_stays_and_another_one_is_refused(promoted: Path, command: Command) -> None:
    command("export", "films", "--to", "models")
    before = (promoted / "models/1").stat().st_mtime_ns
    assert command("export", "films", "--to", "models", "--version", "1").status == 0
    assert (promoted / "models/1").stat().st_mtime_ns == before

    (promoted / "models/1/more").touch()
    said = command("export", "films", "--to", "models")

    assert the_error(said) == (
        "models/1: holds another model than films v1. Remove it, or export to another folder with --to."
    )


def test_without_a_champion_there_is_no_number(project: Path, command: Command) -> None:
    said = command("export", "films", "--to", "models")

    assert the_error(said).endswith("has no champion, whose number the folder gets. Run: gristmill promote films.")
    assert not (project / "models").exists()


def test_a_copy_that_is_interrupted_leaves_no_number(promoted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rename comes last; even a kill before it leaves only a hidden folder, which the server ignores."""
    seen = []

    def interrupted(folder: Path) -> None:
        seen.append([path.name for path in folder.parent.iterdir()])
        raise KeyboardInterrupt

    monkeypatch.setattr(numbered_folder, "flush_folder", interrupted)

    with pytest.raises(KeyboardInterrupt):
        copy_saved_model(*version_of(promoted), promoted / "models")
    assert [name.startswith(".1.") for name in seen[0]] == [True]
    assert list((promoted / "models").iterdir()) == []


def test_a_damaged_bundle_is_not_copied(promoted: Path) -> None:
    registry, version = version_of(promoted)
    file = registry.folder(version) / "saved_model/saved_model.pb"
    content = file.read_bytes()
    file.unlink()  # a link to the store's file
    file.write_bytes(content[:-1])

    with pytest.raises(CorruptArtifact, match="altered since it was published"):
        copy_saved_model(registry, version, promoted / "models")
    assert not (promoted / "models").exists()


def test_a_bundle_without_a_saved_model_says_what_to_do(promoted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = numbered_folder.read_artifact

    def read_without(folder: Path) -> object:
        artifact = read(folder)
        files = artifact.manifest["files"]
        artifact.manifest["files"] = {name: files[name] for name in files if not name.startswith("saved_model/")}
        return artifact

    monkeypatch.setattr(numbered_folder, "read_artifact", read_without)

    with pytest.raises(RequestError, match=r"films v1 was not exported as a SavedModel.*Add 'saved_model' to export"):
        copy_saved_model(*version_of(promoted), promoted / "models")


def test_a_folder_made_meanwhile_is_compared(promoted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made_by_another(draft: Path, final: Path) -> None:
        shutil.copytree(draft, final)
        raise OSError("not empty")

    monkeypatch.setattr(numbered_folder, "rename_folder", made_by_another)

    assert copy_saved_model(*version_of(promoted), promoted / "models") == promoted / "models/1"

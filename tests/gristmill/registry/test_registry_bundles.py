"""The bundles of versions: taken whole, kept whatever becomes of the store's, restored from it where it has them."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from gristmill import keys
from gristmill.errors import CorruptArtifact, StoreError
from gristmill.registry.registry import Registry
from gristmill.registry.version import Version
from gristmill.store.artifact import Artifact
from gristmill.store.store import Store
from gristmill.util.files import files_below
from helpers.support import heard, said

ALTERED = "altered since it was published (its SHA-256 does not hold)."


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(Store(tmp_path))


def publish(root: Path, weights: str = "weights") -> Artifact:
    """Publish a bundle over the one that is there, as --refresh does: under the same key, with other bytes."""
    store, made_of = Store(root), keys.identify("export", {}, {}, {}, {})
    with store.draft(made_of) as draft:
        (draft.path / "saved_model/assets").mkdir(parents=True)
        (draft.path / "saved_model/variables").write_text(weights)
        (draft.path / "model.keras").write_text(weights)
        return store.publish(draft, made_of, replace=True)


def version_of(bundle: Artifact) -> Version:
    """Return a version that names nothing but its bundle."""
    return Version.model_construct(number=1, pipeline="small", references={"export": bundle.reference})


def taken(root: Path) -> Version:
    """Publish a bundle and take it."""
    version = version_of(publish(root))
    Registry(Store(root)).add_bundle(version)
    return version


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_below(folder)}


def test_a_bundle_is_taken_whole_and_without_room(registry: Registry, tmp_path: Path) -> None:
    artifact = publish(tmp_path)

    own = registry.add_bundle(version_of(artifact))

    assert own == registry.folder(version_of(artifact)) == registry.bundle(version_of(artifact))
    assert contents(own) == contents(artifact.path)
    assert (own / "saved_model/assets").is_dir()
    assert (own / "model.keras").samefile(artifact.path / "model.keras")
    assert list(own.parent.iterdir()) == [own]


def test_a_bundle_stays_what_it_is_when_the_stores_is_replaced_collected_or_gone(
    registry: Registry, tmp_path: Path
) -> None:
    version = taken(tmp_path)
    before = contents(registry.folder(version))

    other = publish(tmp_path, "other weights")
    assert other.reference["key"] == version.references["export"]["key"]
    for gone in (tmp_path / "quarantine", tmp_path / "export"):
        shutil.rmtree(gone)

    assert contents(registry.bundle(version)) == before


def test_two_bundles_of_one_key_lie_side_by_side(registry: Registry, tmp_path: Path) -> None:
    first, second = taken(tmp_path), version_of(publish(tmp_path, "other weights"))
    registry.add_bundle(second)

    assert (registry.bundle(first) / "model.keras").read_text() == "weights"
    assert (registry.bundle(second) / "model.keras").read_text() == "other weights"


def test_where_nothing_can_be_linked_the_bundle_is_copied(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    artifact = publish(tmp_path)

    own = registry.add_bundle(version_of(artifact))

    assert contents(own) == contents(artifact.path)
    assert not (own / "model.keras").samefile(artifact.path / "model.keras")


def test_a_damaged_artifact_is_not_taken(registry: Registry, tmp_path: Path) -> None:
    artifact = publish(tmp_path)
    (artifact.path / "model.keras").write_text("damaged")

    with pytest.raises(CorruptArtifact) as raised:
        registry.add_bundle(version_of(artifact))

    assert str(raised.value) == f"{artifact.path}/model.keras: {ALTERED}"
    assert not (tmp_path / "registry").exists()


def test_what_is_replaced_while_it_is_taken_is_not_taken(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it would be of the one, half of the other."""
    artifact, link = publish(tmp_path), Path.hardlink_to

    def refreshed_meanwhile(self: Path, target: Path) -> None:
        link(self, target)
        monkeypatch.setattr(Path, "hardlink_to", link)
        publish(tmp_path, "other weights")

    monkeypatch.setattr(Path, "hardlink_to", refreshed_meanwhile)
    with pytest.raises(CorruptArtifact) as raised:
        registry.add_bundle(version_of(artifact))

    assert str(raised.value) == f"{artifact.path}: replaced or removed while it was registered. Try again."
    assert list((tmp_path / "registry/small/bundles").iterdir()) == []


@pytest.mark.fault(1)
def test_what_a_kill_leaves_behind_is_not_seen_and_cleared_away_by_the_next(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = version_of(publish(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a kill clears nothing away
        patch.setattr("gristmill.registry.registry.flush_folder", _killed)
        with pytest.raises(KeyboardInterrupt):
            registry.add_bundle(version)
    (left,) = (tmp_path / "registry/small/bundles").iterdir()
    left.rename(left.with_name(left.name.replace(f"~{os.getpid()}~", f"~{2**22 + 1}~")))  # no process has this id
    with pytest.raises(CorruptArtifact):
        registry.bundle(version)

    own = registry.add_bundle(version)

    assert list(own.parent.iterdir()) == [own]


def test_a_damaged_bundle_is_restored_from_the_store_and_the_damaged_one_moved_aside(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    version = taken(tmp_path)
    model = registry.folder(version) / "model.keras"
    model.unlink()
    model.write_text("damaged")

    with heard(caplog):
        assert registry.restore(version)

    (aside,) = (tmp_path / "quarantine").iterdir()
    assert said(caplog) == [f"{model}: {ALTERED} Moved to {aside} and replaced."]
    assert (aside / "model.keras").read_text() == "damaged"
    assert (registry.bundle(version) / "model.keras").read_text() == "weights"


def test_a_bundle_that_the_store_has_no_more_is_given_up_until_it_is_taken_again(
    registry: Registry, tmp_path: Path
) -> None:
    version = taken(tmp_path)
    folder = registry.folder(version)
    (folder / "model.keras").write_text("damaged")  # in place: the store's too

    assert not registry.restore(version)

    assert registry.is_given_up(version)
    assert len(list((tmp_path / "quarantine").iterdir())) == 1
    with pytest.raises(CorruptArtifact) as raised:
        registry.bundle(version)
    assert str(raised.value) == f"{folder}/manifest.json: cannot be read (No such file or directory)."
    publish(tmp_path)
    assert registry.add_bundle(version) == folder
    assert not registry.is_given_up(version)
    assert (registry.bundle(version) / "model.keras").read_text() == "weights"


def test_by_stat_only_what_has_changed_is_read_again(registry: Registry, tmp_path: Path) -> None:
    version = taken(tmp_path)
    assert registry.bundle(version, by_stat=True) == registry.folder(version)
    (registry.folder(version) / "model.keras").write_text("damaged")
    with pytest.raises(CorruptArtifact):
        registry.bundle(version, by_stat=True)


@pytest.mark.fault(15)
def test_a_full_disk_is_said(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = version_of(publish(tmp_path))

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "hardlink_to", full)
    monkeypatch.setattr(shutil, "copyfile", lambda source, target: full(target, source))
    with pytest.raises(StoreError, match="the disk is full"):
        registry.add_bundle(version)


def _killed(_: Path) -> None:
    raise KeyboardInterrupt

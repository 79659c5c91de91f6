"""The bundles of versions: taken whole, kept whatever becomes of the store's, restored from it where it has them."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from gristmill import keys
from gristmill.errors import CorruptArtifact, StoreError
from gristmill.registry.bundles import Bundles, is_given_up
from gristmill.store.artifact import Artifact, Reference
from gristmill.store.store import Store
from gristmill.util.files import files_below
from helpers.support import heard, said

ALTERED = "altered since it was published (its SHA-256 does not hold)."


@pytest.fixture
def bundles(tmp_path: Path) -> Bundles:
    return Bundles(Store(tmp_path))


def publish(root: Path, weights: str = "weights") -> Artifact:
    """Publish a bundle over the one that is there, as --refresh does: under the same key, with other bytes."""
    store, made_of = Store(root), keys.identify("export", {}, {}, {}, {})
    with store.draft(made_of) as draft:
        (draft.path / "saved_model/assets").mkdir(parents=True)
        (draft.path / "saved_model/variables").write_text(weights)
        (draft.path / "model.keras").write_text(weights)
        return store.publish(draft, made_of, replace=True)


def taken(root: Path) -> Reference:
    """Publish a bundle and take it."""
    reference = publish(root).reference
    Bundles(Store(root)).add("small", reference)
    return reference


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files_below(folder)}


def test_a_bundle_is_taken_whole_and_without_room(bundles: Bundles, tmp_path: Path) -> None:
    artifact = publish(tmp_path)

    own = bundles.add("small", artifact.reference)

    assert own == bundles.path("small", artifact.reference) == bundles.open("small", artifact.reference)
    assert contents(own) == contents(artifact.path)
    assert (own / "saved_model/assets").is_dir()
    assert (own / "model.keras").samefile(artifact.path / "model.keras")
    assert list(own.parent.iterdir()) == [own]


def test_a_bundle_stays_what_it_is_when_the_stores_is_replaced_collected_or_gone(
    bundles: Bundles, tmp_path: Path
) -> None:
    reference = taken(tmp_path)
    before = contents(bundles.path("small", reference))

    other = publish(tmp_path, "other weights")
    assert other.reference["key"] == reference["key"]
    for gone in (tmp_path / "quarantine", tmp_path / "export"):
        shutil.rmtree(gone)

    assert contents(bundles.open("small", reference)) == before


def test_two_bundles_of_one_key_lie_side_by_side(bundles: Bundles, tmp_path: Path) -> None:
    first, second = taken(tmp_path), publish(tmp_path, "other weights").reference
    bundles.add("small", second)

    assert (bundles.open("small", first) / "model.keras").read_text() == "weights"
    assert (bundles.open("small", second) / "model.keras").read_text() == "other weights"


def test_where_nothing_can_be_linked_the_bundle_is_copied(
    bundles: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    artifact = publish(tmp_path)

    own = bundles.add("small", artifact.reference)

    assert contents(own) == contents(artifact.path)
    assert not (own / "model.keras").samefile(artifact.path / "model.keras")


def test_a_damaged_artifact_is_not_taken(bundles: Bundles, tmp_path: Path) -> None:
    artifact = publish(tmp_path)
    (artifact.path / "model.keras").write_text("damaged")

    with pytest.raises(CorruptArtifact) as raised:
        bundles.add("small", artifact.reference)

    assert str(raised.value) == f"{artifact.path}/model.keras: {ALTERED}"
    assert not (tmp_path / "registry").exists()


def test_what_is_replaced_while_it_is_taken_is_not_taken(
    bundles: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it would be of the one, half of the other."""
    reference, link = publish(tmp_path).reference, Path.hardlink_to
    folder = Store(tmp_path).path("export", reference["key"])

    def refreshed_meanwhile(self: Path, target: Path) -> None:
        link(self, target)
        monkeypatch.setattr(Path, "hardlink_to", link)
        publish(tmp_path, "other weights")

    monkeypatch.setattr(Path, "hardlink_to", refreshed_meanwhile)
    with pytest.raises(CorruptArtifact) as raised:
        bundles.add("small", reference)

    assert str(raised.value) == f"{folder}: replaced or removed while it was registered. Try again."
    assert list((tmp_path / "registry/small/bundles").iterdir()) == []


@pytest.mark.fault(1)
def test_what_a_kill_leaves_behind_is_not_seen_and_cleared_away_by_the_next(
    bundles: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = publish(tmp_path).reference
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a kill clears nothing away
        patch.setattr("gristmill.registry.bundles.flush_folder", _killed)
        with pytest.raises(KeyboardInterrupt):
            bundles.add("small", reference)
    (left,) = (tmp_path / "registry/small/bundles").iterdir()
    left.rename(left.with_name(left.name.replace(f"~{os.getpid()}~", f"~{2**22 + 1}~")))  # no process has this id
    with pytest.raises(CorruptArtifact):
        bundles.open("small", reference)

    own = bundles.add("small", reference)

    assert list(own.parent.iterdir()) == [own]


def test_a_damaged_bundle_is_restored_from_the_store_and_the_damaged_one_moved_aside(
    bundles: Bundles, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reference = taken(tmp_path)
    model = bundles.path("small", reference) / "model.keras"
    model.unlink()
    model.write_text("damaged")

    with heard(caplog):
        assert bundles.restore("small", reference)

    (aside,) = (tmp_path / "quarantine").iterdir()
    assert said(caplog) == [f"{model}: {ALTERED} Moved to {aside} and replaced."]
    assert (aside / "model.keras").read_text() == "damaged"
    assert (bundles.open("small", reference) / "model.keras").read_text() == "weights"


def test_a_bundle_that_the_store_has_no_more_is_given_up_until_it_is_taken_again(
    bundles: Bundles, tmp_path: Path
) -> None:
    reference = taken(tmp_path)
    folder = bundles.path("small", reference)
    (folder / "model.keras").write_text("damaged")  # in place: the store's too

    assert not bundles.restore("small", reference)

    assert is_given_up(folder)
    assert len(list((tmp_path / "quarantine").iterdir())) == 1
    with pytest.raises(CorruptArtifact) as raised:
        bundles.open("small", reference)
    assert str(raised.value) == f"{folder}/manifest.json: cannot be read (No such file or directory)."
    publish(tmp_path)
    assert bundles.add("small", reference) == folder
    assert not is_given_up(folder)
    assert (bundles.open("small", reference) / "model.keras").read_text() == "weights"


def test_by_stat_only_what_has_changed_is_read_again(bundles: Bundles, tmp_path: Path) -> None:
    reference = taken(tmp_path)
    assert bundles.open("small", reference, by_stat=True) == bundles.path("small", reference)
    (bundles.path("small", reference) / "model.keras").write_text("damaged")
    with pytest.raises(CorruptArtifact):
        bundles.open("small", reference, by_stat=True)


@pytest.mark.fault(15)
def test_a_full_disk_is_said(bundles: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = publish(tmp_path).reference

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "hardlink_to", full)
    monkeypatch.setattr(shutil, "copyfile", lambda source, target: full(target, source))
    with pytest.raises(StoreError, match="the disk is full"):
        bundles.add("small", reference)


def _killed(_: Path) -> None:
    raise KeyboardInterrupt

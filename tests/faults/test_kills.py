"""Killed at every step of changing the store, for every step until none is left: nothing that is seen is in part."""

import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gristmill.maintenance.local import verify_registry
from gristmill.registry.registry import Registry
from gristmill.store.store import Store
from gristmill.training import checkpoint
from helpers import changes
from helpers.scoreboard import Fault
from helpers.support import Forked, assert_all_whole

pytest_plugins = ["helpers.end_to_end"]
pytestmark = pytest.mark.slow

Killed = Callable[[str, Path], Iterator[Path]]


@pytest.fixture
def killed(forked: Forked, tmp_path: Path) -> Killed:
    """Return what yields a copy of a store for each step at which a process is killed that was about to change it."""

    def each(change: str, before: Path) -> Iterator[Path]:
        number, status = 0, -signal.SIGKILL
        while status == -signal.SIGKILL:
            number += 1
            root = tmp_path / f"{change} {number}"
            shutil.copytree(before, root)
            process = forked.call(changes.killed_at, number, change, root)
            process.join(60)
            status = process.exitcode
            yield root
            shutil.rmtree(root)
        assert (status, number > 10) == (0, True)

    return each


def content_of(root: Path) -> str | None:
    """Return the content of the artifact that `changes` publishes, each of whose files has the same; None without."""
    artifact = Store(root).get("train", changes.MADE_OF.key)
    if artifact is None:
        return None
    weights, training = ((artifact.path / name).read_text() for name in ("weights.npz", "inner/training.json"))
    assert weights == training
    return weights


@pytest.mark.fault(1)
@pytest.mark.fault(3)
@pytest.mark.parametrize("change", ["publish", "refresh"])
def test_killed_at_any_step_of_publishing_there_is_a_whole_artifact_or_none_and_the_next_one_completes(
    change: str, tmp_path: Path, killed: Killed, fault: Fault
) -> None:
    before, found = tmp_path / "before", []
    before.mkdir()
    if change == "refresh":
        changes.publish(before, "old")

    for root in killed(change, before):
        assert_all_whole(root)
        found.append(content_of(root))
        changes.publish(root)
        assert content_of(root) == (found[-1] or "new")
        assert_all_whole(root)
        assert not list(root.glob("*/??/.*"))

    assert list(dict.fromkeys(found)) == ([None, "new"] if change == "publish" else ["old", None, "newer"])
    fault.tried(len(found))


@pytest.mark.fault(1)
def test_killed_at_any_step_of_registering_and_promoting_there_is_no_champion_or_a_whole_one(
    tmp_path: Path, finished_store: Path, killed: Killed, fault: Fault
) -> None:
    found = []

    for root in killed("promote", finished_store):
        champion = Registry(Store(root)).champion("small", verified=True)
        found.append(champion.number if champion else None)
        changes.promote(root)
        assert [version.number for version in Registry(Store(root)).versions("small")] == [1]
        assert [verdict.damage for verdict in verify_registry(Registry(Store(root)))] == [None] * 4
        assert not list(root.glob("registry/small/bundles/.*"))

    assert list(dict.fromkeys(found)) == [None, 1]
    fault.tried(len(found))


@pytest.mark.fault(3)
def test_killed_at_any_step_of_a_checkpoint_weights_and_state_are_of_one_epoch(
    tmp_path: Path, killed: Killed, fault: Fault
) -> None:
    before, found = tmp_path / "before", []
    for epoch in (2, 3):
        changes.save(before, epoch)

    for root in killed("save", before):
        loaded = checkpoint.load(root / "key")
        assert loaded is not None
        epoch, arrays, state = loaded
        assert {epoch} == {state["epoch"]} == set(arrays["network/0000"].tolist())
        found.append(epoch)
        changes.save(root)
        assert (
            len([path for path in (root / "key").iterdir() if not path.name.startswith(".")])
            == checkpoint.CHECKPOINTS_KEPT
        )

    assert list(dict.fromkeys(found)) == [3, 4]
    fault.tried(len(found))

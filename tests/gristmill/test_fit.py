"""Training that is killed anywhere ends with the very weights of one that was not.

The killed trainings are processes of their own that run this file as a script.
"""

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest

from gristmill.errors import Diverged
from gristmill.progress import Epoch
from gristmill.settings import Fit

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from gristmill.fit import Course

ROOT = Path(__file__).parents[2]
PATIENCE: dict[str, Any] = {"epochs": 8, "patience": 3}  # the validation loss soon rises
STEPS = 3

RANDOM = np.random.default_rng(0)
HISTORIES = RANDOM.normal(size=(56, 8)).astype(np.float32)
TARGETS = (HISTORIES[:, :2] + 0.3 * RANDOM.normal(size=(56, 2))).astype(np.float32)
TARGETS[48:] *= -1  # the last eight are for validation: what is learned makes them worse


def recurrent() -> "keras.Model":
    """A small network of the kind that time series use, with dropout, whose state changes at every step."""
    from keras import Input, Sequential, layers

    return Sequential(
        [
            Input((8,)),
            layers.Reshape((8, 1)),
            layers.Conv1D(4, 3, padding="causal", activation="relu"),
            layers.LSTM(5),
            layers.Dropout(0.3),
            layers.Dense(2),
        ]
    )


def plain() -> "keras.Model":
    """A network that is quickly traced, with dropout."""
    from keras import Input, Sequential, layers

    return Sequential([Input((8,)), layers.Dense(6, activation="relu"), layers.Dropout(0.3), layers.Dense(2)])


def train(
    folder: Path,
    build: "Callable[[], keras.Model]" = plain,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    targets: npt.NDArray[np.float32] = TARGETS,
    **settings: Any,
) -> "tuple[keras.Model, Course]":
    """Train in batches of 16 of 48 windows, judged on 8 more, with the checkpoints in `folder`."""
    import tensorflow as tf

    from gristmill.fit import fit, seeded, shuffled

    how = Fit(**{"epochs": 4, "batch_size": 16, "learning_rate": 0.05, "seed": 1} | settings)

    def gather(index: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
        return tf.gather(HISTORIES, index), tf.gather(targets, index)

    def epoch(number: "tf.Tensor") -> "tf.data.Dataset":
        order = shuffled(tf.range(48, dtype=tf.int64), how.seed, number)
        return tf.data.Dataset.from_tensor_slices(order).batch(16).map(gather)

    def batches(first: int) -> "tf.data.Dataset":
        return tf.data.Dataset.range(first, how.epochs).flat_map(epoch)

    network = seeded(build, how.seed)
    return network, fit(network, batches, STEPS, judged(targets), how, "huber", folder, on_epoch)


def judged(targets: npt.NDArray[np.float32] = TARGETS) -> "tf.data.Dataset":
    """Return the windows for validation."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((HISTORIES[48:], targets[48:])).batch(8)


def equal(one: "keras.Model", other: "keras.Model") -> bool:
    """Whether two networks hold the same weights and states, bit for bit."""
    held = [[np.asarray(variable.value).tobytes() for variable in network.variables] for network in (one, other)]
    return held[0] == held[1]


def kill_self() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_process(folder: Path, *how: str) -> int:
    """Train in a process of its own, the plain network with patience or the recurrent one, and return how it ended."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, str(folder), *how]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


@dataclass(frozen=True)
class Trained:
    """A training without interruption."""

    network: "keras.Model"
    course: "Course"
    told: list[Epoch]
    folder: Path  # of its checkpoints

    @classmethod
    def now(cls, folder: Path, build: "Callable[[], keras.Model]" = plain, **settings: Any) -> "Trained":
        told: list[Epoch] = []
        return cls(*train(folder, build, told.append, **settings), told, folder)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The plain network after four epochs."""
    return Trained.now(tmp_path_factory.mktemp("quick"))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The plain network, stopped by its validation loss."""
    return Trained.now(tmp_path_factory.mktemp("stopped"), **PATIENCE)


@pytest.mark.slow
def test_a_training_killed_twice_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path) -> None:
    unbroken, seen = Trained.now(tmp_path / "unbroken", recurrent), list[int]()
    checkpoints = tmp_path / "killed"

    assert in_a_process(checkpoints, "in checkpoint 3") == -signal.SIGKILL
    assert sorted(path.name for path in checkpoints.glob("epoch-*")) == ["epoch-000001", "epoch-000002"]
    assert len(list(checkpoints.glob(".epoch-3.*"))) == 1  # written, but not published
    assert in_a_process(checkpoints, "after epoch 3") == -signal.SIGKILL
    assert sorted(path.name for path in checkpoints.glob("epoch-*")) == ["epoch-000002", "epoch-000003"]
    network, course = train(checkpoints, recurrent, lambda epoch: seen.append(epoch.number))

    assert seen == [4]
    assert equal(network, unbroken.network)
    assert course == unbroken.course


@pytest.mark.slow
def test_patience_and_the_best_weights_survive_a_kill(tmp_path: Path, stopped: Trained) -> None:
    seen: list[int] = []
    best, last = stopped.course.best_epoch, len(stopped.course.losses)

    assert in_a_process(tmp_path, f"after epoch {best + 1}", "with patience") == -signal.SIGKILL
    network, course = train(tmp_path, on_epoch=lambda epoch: seen.append(epoch.number), **PATIENCE)

    assert seen == list(range(best + 2, last + 1))
    assert course == stopped.course
    assert equal(network, stopped.network)


@pytest.mark.parametrize(
    "damage",
    [
        lambda newest, before: os.truncate(newest / "arrays.npz", 100),
        lambda newest, before: os.truncate(newest / "state.json", 0),
        lambda newest, before: shutil.copy(before / "arrays.npz", newest / "arrays.npz"),
    ],
    ids=["arrays truncated", "state empty", "arrays of another epoch"],
)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    tmp_path: Path, quick: Trained, caplog: pytest.LogCaptureFixture, damage: Callable[[Path, Path], None]
) -> None:
    seen: list[int] = []
    shutil.copytree(quick.folder, tmp_path, dirs_exist_ok=True)
    damage(tmp_path / "epoch-000004", tmp_path / "epoch-000003")

    with caplog.at_level(logging.WARNING):
        network, course = train(tmp_path, on_epoch=lambda epoch: seen.append(epoch.number))

    assert "epoch-000004: checkpoint not usable" in caplog.text
    assert seen == [4]
    assert equal(network, quick.network)
    assert course == quick.course


def test_without_a_usable_checkpoint_training_begins_anew(tmp_path: Path, quick: Trained) -> None:
    seen: list[int] = []
    shutil.copytree(quick.folder, tmp_path, dirs_exist_ok=True)
    for folder in tmp_path.iterdir():
        os.truncate(folder / "arrays.npz", 50)

    network, course = train(tmp_path, on_epoch=lambda epoch: seen.append(epoch.number))

    assert seen == [1, 2, 3, 4]
    assert equal(network, quick.network)
    assert course == quick.course


@pytest.mark.parametrize(("ending", "settings"), [("quick", {}), ("stopped", PATIENCE)])
def test_a_finished_training_does_no_epoch(
    request: pytest.FixtureRequest, ending: str, settings: dict[str, Any]
) -> None:
    finished: Trained = request.getfixturevalue(ending)

    network, course = train(finished.folder, on_epoch=lambda epoch: pytest.fail("an epoch was done"), **settings)

    assert equal(network, finished.network)
    assert course == finished.course


def test_equal_seeds_give_equal_weights_in_one_process(tmp_path: Path, quick: Trained) -> None:
    same, other = Trained.now(tmp_path / "same"), Trained.now(tmp_path / "other", seed=2)

    assert equal(same.network, quick.network)
    assert same.course == quick.course
    assert not equal(other.network, quick.network)


def test_every_epoch_is_told_with_its_losses(quick: Trained) -> None:
    losses = zip(quick.course.losses, quick.course.val_losses, strict=True)

    assert quick.told == [Epoch(number, 4, loss, val_loss) for number, (loss, val_loss) in enumerate(losses, 1)]
    assert len(quick.told) == 4
    assert quick.course.losses[-1] < quick.course.losses[0]


def test_patience_keeps_the_weights_of_the_best_epoch(stopped: Trained) -> None:
    course = stopped.course

    assert course.stopped
    assert course.best_epoch == int(np.argmin(course.val_losses)) + 1
    assert len(course.losses) == course.best_epoch + PATIENCE["patience"] < PATIENCE["epochs"]
    assert stopped.network.evaluate(judged(), verbose=0) == pytest.approx(min(course.val_losses), rel=1e-6)
    assert course.val_losses[-1] > min(course.val_losses)


def test_without_patience_the_last_weights_are_kept(quick: Trained) -> None:
    course = quick.course

    assert (course.best_epoch, course.stopped, len(course.losses)) == (4, False, 4)
    assert quick.network.evaluate(judged(), verbose=0) == pytest.approx(course.val_losses[-1], rel=1e-6)
    assert course.val_losses[-1] > min(course.val_losses)


def test_the_last_two_checkpoints_are_kept(quick: Trained) -> None:
    assert sorted(path.name for path in quick.folder.iterdir()) == ["epoch-000003", "epoch-000004"]


@pytest.mark.parametrize("spoilt", [slice(0, 48), slice(48, 56)], ids=["training", "validation"])
def test_a_loss_that_is_no_number_ends_training_without_a_checkpoint(tmp_path: Path, spoilt: slice) -> None:
    targets = TARGETS.copy()
    targets[spoilt] = np.nan

    with pytest.raises(Diverged, match=r"nan.*in epoch 1"):
        train(tmp_path, targets=targets, on_epoch=lambda epoch: pytest.fail("the epoch was taken for good"))

    assert list(tmp_path.iterdir()) == []


def test_shuffling_depends_on_seed_and_epoch_alone() -> None:
    import tensorflow as tf

    from gristmill.fit import shuffled

    order = tf.range(100, 200, dtype=tf.int64)

    def mixed(seed: int, epoch: int) -> list[int]:
        return list(shuffled(order, seed, tf.constant(epoch, tf.int64)).numpy())

    tf.random.set_seed(5)
    first = mixed(1, 0)
    tf.random.set_seed(6)

    assert mixed(1, 0) == first
    assert sorted(first) == list(range(100, 200))
    assert len({tuple(mixed(seed, epoch)) for seed in (1, 2) for epoch in (0, 1)}) == 4


def test_a_network_is_named_and_filled_by_its_seed_not_by_what_was_built_before() -> None:
    from gristmill.fit import seeded

    first = seeded(plain, 3)
    plain()
    second = seeded(plain, 3)

    assert first.to_json() == second.to_json()
    assert equal(first, second)
    assert not equal(first, seeded(plain, 4))


def killed(folder: Path, moment: str, *patience: str) -> None:
    """Train and end this process at a moment."""
    rename = Path.rename

    def on_epoch(epoch: Epoch) -> None:
        if moment == f"after epoch {epoch.number}":
            kill_self()

    def rename_or_die(path: Path, target: Path) -> Path:
        if moment.startswith("in checkpoint") and target.name == f"epoch-{int(moment.split()[-1]):06}":
            kill_self()
        return rename(path, target)

    with patch.object(Path, "rename", rename_or_die):
        if patience:
            train(folder, plain, on_epoch, **PATIENCE)
        else:
            train(folder, recurrent, on_epoch)


if __name__ == "__main__":
    killed(Path(sys.argv[1]), *sys.argv[2:])

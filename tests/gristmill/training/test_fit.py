"""Training that is killed anywhere ends with the very weights of one that was not."""

import itertools
import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pytest

from gristmill.errors import Diverged, RequestError
from gristmill.settings.base import Fit
from gristmill.training.progress import Epoch
from helpers.support import Forked

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

    from gristmill.training.history import TrainingHistory
    from gristmill.training.learning_rate import Loss

pytest_plugins = ["helpers.end_to_end"]

PATIENCE: dict[str, Any] = {"epochs": 8, "patience": 3}  # the validation loss soon rises
FIND: dict[str, Any] = {"learning_rate": "find"}
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

    dense = partial(layers.Dense, use_bias=False)  # each variable takes time
    return Sequential([Input((8,)), dense(6, activation="relu"), layers.Dropout(0.3), dense(2)])


def train(
    folder: Path,
    build: "Callable[[], keras.Model]" = plain,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    targets: npt.NDArray[np.float32] = TARGETS,
    loss: "Loss" = "huber",
    until: int | None = None,
    **settings: Any,
) -> "tuple[keras.Model, TrainingHistory]":
    """Train in batches of 16 of 48 windows, judged on 8 more, with the checkpoints in `folder`, the logs beside it."""

    from gristmill.training.fit import fit
    from gristmill.training.seeds import seeded

    how = Fit(**{"epochs": 4, "batch_size": 16, "learning_rate": 0.05, "seed": 1} | settings)

    network = seeded(build, how.seed)
    logs = logs_of(folder)
    return network, fit(network, Shuffled(targets, how), judged(targets), how, loss, folder, on_epoch, logs, until)


def narrow() -> "keras.Model":
    """A network that looks up values which it has no place for."""
    from keras import Input, Sequential, layers

    return Sequential([Input((8,)), layers.Embedding(1, 2), layers.Flatten(), layers.Dense(2)])


@pytest.mark.parametrize("rate", [{}, FIND], ids=["given", "found"])
def test_a_network_that_does_not_suit_its_values_is_refused_in_a_line(tmp_path: Path, rate: dict[str, Any]) -> None:
    with pytest.raises(
        RequestError, match=r"^the network cannot be trained: indices\[.*\] = .* is not in \[0, 1\)\. "
    ) as told:
        train(tmp_path, narrow, **rate)
    assert "\n" not in str(told.value)


class Shuffled:
    """A feed each of whose elements is a batch."""

    def __init__(self, targets: npt.NDArray[np.float32], settings: Fit) -> None:
        self._targets = targets
        self._settings = settings
        self.elements = self.updates = STEPS

    def stream(self, first_epoch: int) -> "tf.data.Dataset":
        import tensorflow as tf

        return tf.data.Dataset.range(first_epoch, self._settings.epochs).flat_map(self._epoch)

    def for_each_batch(self, element: Any, update: Callable[[Any], object]) -> None:
        update(element)

    def batches(self) -> "tf.data.Dataset":
        return self.stream(0).take(STEPS)

    def _epoch(self, number: "tf.Tensor") -> "tf.data.Dataset":
        import tensorflow as tf

        from gristmill.training.seeds import shuffled

        order = shuffled(tf.range(48, dtype=tf.int64), self._settings.seed, number)
        return tf.data.Dataset.from_tensor_slices(order).batch(16).map(self._gather)

    def _gather(self, index: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
        import tensorflow as tf

        return tf.gather(HISTORIES, index), tf.gather(self._targets, index)


class Whole(Shuffled):
    """The same in one batch of all 48."""

    def __init__(self, targets: npt.NDArray[np.float32], settings: Fit) -> None:
        super().__init__(targets, settings)
        self.elements = self.updates = 1

    def _epoch(self, number: "tf.Tensor") -> "tf.data.Dataset":
        return super()._epoch(number).unbatch().batch(48)


def logs_of(folder: Path) -> Path:
    """Return where the logs of a training lie whose checkpoints are in `folder`."""
    return folder.with_name(f"{folder.name} logs")


def drawn(folder: Path, tag: str) -> list[float]:
    """Return the points of a curve of the training, in the order they were written."""
    import tensorflow as tf

    (file,) = (logs_of(folder) / "train").iterdir()
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    events = [tf.compat.v1.Event.FromString(record) for record in records]
    return [value.simple_value for event in events for value in event.summary.value if value.tag == tag]


def judged(targets: npt.NDArray[np.float32] = TARGETS) -> "tf.data.Dataset":
    """Return the windows for validation."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((HISTORIES[48:], targets[48:])).batch(8)


def validation_loss(network: "keras.Model") -> float:
    """Return the loss of a trained network on the windows for validation."""
    network.compile(loss="huber")
    loss: float = network.evaluate(judged(), verbose=0)
    return loss


def equal(one: "keras.Model", other: "keras.Model") -> bool:
    """Whether two networks hold the same weights and states, bit for bit."""
    held = [[np.asarray(variable.value).tobytes() for variable in network.variables] for network in (one, other)]
    return held[0] == held[1]


def kill_self() -> None:
    """End this process as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)


def in_a_process(forked: Forked, folder: Path, *how: str) -> int | None:
    """Train in a process of its own as `killed` does, and return how it ended."""
    process = forked.call(killed, folder, *how)
    process.join(300)
    return process.exitcode


@dataclass(frozen=True)
class Trained:
    """A training without interruption."""

    network: "keras.Model"
    history: "TrainingHistory"
    epochs: list[Epoch]
    folder: Path  # of its checkpoints

    @classmethod
    def now(cls, folder: Path, build: "Callable[[], keras.Model]" = plain, **settings: Any) -> "Trained":
        epochs: list[Epoch] = []
        return cls(*train(folder, build, epochs.append, **settings), epochs, folder)


@pytest.fixture(scope="module", autouse=True)
def a_checkpoint_every_epoch() -> Iterator[None]:
    """As where epochs take half a second."""
    with patch("gristmill.training.fit.MIN_SECONDS_BETWEEN_CHECKPOINTS", 0.0):
        yield


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The plain network after four epochs."""
    return Trained.now(tmp_path_factory.mktemp("quick"))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The plain network, stopped by its validation loss."""
    return Trained.now(tmp_path_factory.mktemp("stopped"), **PATIENCE)


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The same, interrupted after two epochs and resumed without a search."""
    folder, resumed = tmp_path_factory.mktemp("resumed"), list[Epoch]()
    with pytest.raises(KeyboardInterrupt):
        train(folder, on_epoch=interrupt_after(2), **FIND)
    with patch("gristmill.training.learning_rate.range_test", side_effect=AssertionError("searched again")):
        return Trained(*train(folder, on_epoch=resumed.append, **FIND), resumed, folder)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The plain network at a rate that was found."""
    return Trained.now(tmp_path_factory.mktemp("found"), **FIND)


def interrupt_after(number: int) -> Callable[[Epoch], None]:
    """Return what interrupts a training after an epoch."""

    def on_epoch(epoch: Epoch) -> None:
        if epoch.number == number:
            raise KeyboardInterrupt

    return on_epoch


@pytest.mark.fault(2)
@pytest.mark.slow
def test_a_training_killed_twice_ends_with_the_weights_of_an_unbroken_one(tmp_path: Path, forked: Forked) -> None:
    unbroken, seen = Trained.now(tmp_path / "unbroken", recurrent), list[int]()
    checkpoints = tmp_path / "killed"

    assert in_a_process(forked, checkpoints, "in checkpoint 3") == -signal.SIGKILL
    assert sorted(path.name for path in checkpoints.glob("epoch-*")) == ["epoch-000001", "epoch-000002"]
    assert len(list(checkpoints.glob(".epoch-3.*"))) == 1  # written, but not published
    assert in_a_process(forked, checkpoints, "after epoch 3") == -signal.SIGKILL
    assert sorted(path.name for path in checkpoints.glob("epoch-*")) == ["epoch-000002", "epoch-000003"]
    network, history = train(checkpoints, recurrent, lambda epoch: seen.append(epoch.number))

    assert seen == [4]
    assert equal(network, unbroken.network)
    assert history == unbroken.history


@pytest.mark.fault(2)
@pytest.mark.slow
def test_patience_and_the_best_weights_survive_a_kill(tmp_path: Path, forked: Forked, stopped: Trained) -> None:
    seen: list[int] = []
    best, last = stopped.history.best_epoch, len(stopped.history.curve("loss"))

    assert in_a_process(forked, tmp_path, f"after epoch {best + 1}", "with patience") == -signal.SIGKILL
    network, history = train(tmp_path, on_epoch=lambda epoch: seen.append(epoch.number), **PATIENCE)

    assert seen == list(range(best + 2, last + 1))
    assert history == stopped.history
    assert equal(network, stopped.network)


@pytest.mark.slow
@pytest.mark.fault(3)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    tmp_path: Path, quick: Trained, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[int] = []
    shutil.copytree(quick.folder, tmp_path, dirs_exist_ok=True)
    shutil.copy(tmp_path / "epoch-000003/arrays.npz", tmp_path / "epoch-000004/arrays.npz")

    with caplog.at_level(logging.WARNING):
        network, history = train(tmp_path, on_epoch=lambda epoch: seen.append(epoch.number))

    assert "epoch-000004: checkpoint not usable" in caplog.text
    assert seen == [4]
    assert equal(network, quick.network)
    assert history == quick.history


@pytest.mark.slow
@pytest.mark.fault(4)
def test_without_a_usable_checkpoint_training_begins_anew(tmp_path: Path, quick: Trained) -> None:
    seen: list[int] = []
    shutil.copytree(quick.folder, tmp_path, dirs_exist_ok=True)
    for folder in tmp_path.iterdir():
        os.truncate(folder / "arrays.npz", 50)

    network, history = train(tmp_path, on_epoch=lambda epoch: seen.append(epoch.number))

    assert seen == [1, 2, 3, 4]
    assert equal(network, quick.network)
    assert history == quick.history


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "settings"), [("quick", {}), ("stopped", PATIENCE)])
def test_a_finished_training_does_no_epoch(
    request: pytest.FixtureRequest, ending: str, settings: dict[str, Any]
) -> None:
    finished: Trained = request.getfixturevalue(ending)

    network, history = train(finished.folder, on_epoch=lambda epoch: pytest.fail("an epoch was done"), **settings)

    assert equal(network, finished.network)
    assert history == finished.history


def test_another_seed_gives_other_weights(tmp_path: Path, quick: Trained) -> None:
    other = Trained.now(tmp_path, seed=2)

    assert not equal(other.network, quick.network)
    assert other.history != quick.history


def test_every_epoch_is_told_with_its_losses(quick: Trained) -> None:
    losses = zip(quick.history.curve("loss"), quick.history.curve("val_loss"), strict=True)

    assert quick.epochs == [Epoch(number, 4, loss, val_loss) for number, (loss, val_loss) in enumerate(losses, 1)]
    assert len(quick.epochs) == 4
    assert quick.history.curve("loss")[-1] < 0.9 * quick.history.curve("loss")[0]  # dropout alone changes it by 3 %


def test_patience_keeps_the_weights_of_the_best_epoch(stopped: Trained) -> None:
    history = stopped.history

    assert history.stopped
    assert history.best_epoch == int(np.argmin(history.curve("val_loss"))) + 1
    assert len(history.curve("loss")) == history.best_epoch + PATIENCE["patience"] < PATIENCE["epochs"]
    assert validation_loss(stopped.network) == pytest.approx(min(history.curve("val_loss")), rel=1e-6)
    assert history.curve("val_loss")[-1] > min(history.curve("val_loss"))


@pytest.mark.slow
def test_patience_ends_a_training_whose_validation_loss_stays_the_same(tmp_path: Path) -> None:
    how: dict[str, Any] = {**PATIENCE, "loss": lambda truth, forecast: 0.0 * (truth - forecast)}
    train(tmp_path, until=2, **how)
    _, history = train(tmp_path, **how)  # resumed after two epochs

    assert history.curve("val_loss") == [0.0] * 4
    assert (history.best_epoch, history.waited, history.stopped) == (1, 3, True)


def test_without_patience_the_last_weights_are_kept(quick: Trained) -> None:
    history = quick.history

    assert (history.best_epoch, history.stopped, len(history.curve("loss"))) == (4, False, 4)
    assert validation_loss(quick.network) == pytest.approx(history.curve("val_loss")[-1], rel=1e-6)
    assert history.curve("val_loss")[-1] > min(history.curve("val_loss"))


def test_the_last_two_checkpoints_are_kept(quick: Trained) -> None:
    assert epochs_of(quick.folder) == ["epoch-000003", "epoch-000004"]


def epochs_of(folder: Path) -> list[str]:
    """Return the names of the checkpoints in a folder."""
    return sorted(path.name for path in folder.iterdir())


def test_short_epochs_are_saved_at_the_first_the_last_and_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, written = itertools.count(step=0.2), list[list[str]]()  # looked at once in an epoch, and after a checkpoint
    monkeypatch.setattr("gristmill.training.fit.MIN_SECONDS_BETWEEN_CHECKPOINTS", 0.5)
    monkeypatch.setattr("gristmill.training.fit.time", SimpleNamespace(monotonic=lambda: next(clock)))

    train(tmp_path, on_epoch=lambda epoch: written.append(epochs_of(tmp_path)), epochs=6)

    names = [f"epoch-{number:06}" for number in (1, 4, 6)]
    assert written == [names[:1]] * 3 + [names[:2]] * 2 + [names[1:]]


@pytest.mark.slow
def test_epochs_that_were_not_saved_are_done_again_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: Trained
) -> None:
    seen: list[int] = []
    monkeypatch.setattr("gristmill.training.fit.MIN_SECONDS_BETWEEN_CHECKPOINTS", 3600.0)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, on_epoch=interrupt_after(3), **PATIENCE)
    assert epochs_of(tmp_path) == ["epoch-000001"]
    network, history = train(tmp_path, on_epoch=lambda epoch: seen.append(epoch.number), **PATIENCE)

    assert seen == list(range(2, len(stopped.history.curve("loss")) + 1))
    assert epochs_of(tmp_path)[-1] == f"epoch-{seen[-1]:06}"
    assert history == stopped.history
    assert equal(network, stopped.network)


@pytest.mark.fault(20)
@pytest.mark.parametrize("spoilt", [slice(0, 48), slice(48, 56)], ids=["training", "validation"])
def test_a_loss_that_is_no_number_ends_training_without_a_checkpoint(tmp_path: Path, spoilt: slice) -> None:
    targets = TARGETS.copy()
    targets[spoilt] = np.nan

    with pytest.raises(Diverged, match=r"nan.*in epoch 1"):
        train(tmp_path, targets=targets, on_epoch=lambda epoch: pytest.fail("the epoch was taken for good"))

    assert list(tmp_path.iterdir()) == []


def test_until_ends_early_on_the_schedule_of_all_epochs(tmp_path: Path, quick: Trained) -> None:
    epochs: list[Epoch] = []

    _, history = train(tmp_path, on_epoch=epochs.append, until=2)

    assert history.curve("loss") == quick.history.curve("loss")[:2]
    assert history.curve("rate") == quick.history.curve("rate")[:2]
    assert [(epoch.number, epoch.of) for epoch in epochs] == [(1, 2), (2, 2)]


def test_the_rate_of_each_epoch_is_kept_beside_its_loss(quick: Trained) -> None:
    cosine = [0.05, 0.05 * (2 + 2**0.5) / 4, 0.025, 0.05 * (2 - 2**0.5) / 4]

    assert quick.history.learning_rate == 0.05
    assert quick.history.curve("rate") == pytest.approx(cosine, rel=1e-5)
    assert quick.history.search == []


@pytest.mark.slow
def test_a_rate_that_is_found_trains_like_the_same_rate_given(tmp_path: Path, found: Trained) -> None:
    """So nothing of the search is left in weights, seeds of dropout or optimizer."""
    rate = found.history.learning_rate
    given = Trained.now(tmp_path, learning_rate=rate)

    assert equal(given.network, found.network)
    assert given.history.curve("loss") == found.history.curve("loss")
    assert rate is not None
    assert 1e-4 < rate < 1
    assert found.history.search[0].rate == pytest.approx(1e-6)


@pytest.mark.slow
def test_a_search_cut_off_before_the_first_checkpoint_is_done_again_to_the_same_end(
    tmp_path: Path, forked: Forked, found: Trained
) -> None:
    assert in_a_process(forked, tmp_path, "in checkpoint 1", "find") == -signal.SIGKILL
    assert list(tmp_path.glob("epoch-*")) == []

    network, history = train(tmp_path, **FIND)

    assert equal(network, found.network)
    assert history == found.history


@pytest.mark.slow
def test_a_training_that_goes_on_takes_the_rate_found_before(resumed: Trained, found: Trained) -> None:
    assert [epoch.number for epoch in resumed.epochs] == [3, 4]
    assert equal(resumed.network, found.network)
    assert resumed.history == found.history


@pytest.mark.slow
def test_the_curves_of_a_training_that_goes_on_have_each_epoch_once(resumed: Trained, found: Trained) -> None:
    for folder in (resumed.folder, found.folder):
        assert drawn(folder, "epoch_loss") == pytest.approx(found.history.curve("loss"))
        assert drawn(folder, "epoch_learning_rate") == pytest.approx(found.history.curve("rate"))


def test_a_loss_of_ones_own_trains_and_is_no_part_of_the_network(tmp_path: Path, quick: Trained) -> None:
    """A network that says what it was compiled with cannot be read back where that function is not."""
    import keras

    network, history = train(tmp_path, loss=lambda truth, forecast: keras.losses.huber(truth, forecast))

    assert history.curve("loss") == pytest.approx(quick.history.curve("loss"))
    assert '"loss"' not in network.to_json()


def with_goal(folder: Path, **goal: Any) -> "TrainingHistory":
    """Train the plain network as a classifier of whether the first value is positive."""
    import keras

    from gristmill.training.fit import Goal, fit
    from gristmill.training.seeds import seeded

    how = Fit(epochs=12, batch_size=16, learning_rate=0.2, schedule="constant", seed=1)
    signs = (HISTORIES[:, :1] > 0).astype(np.float32)
    accuracy = keras.metrics.BinaryAccuracy("accuracy", threshold=0.0)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    network = seeded(lambda: keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)]), how.seed)
    logs = logs_of(folder)
    feed, held = Shuffled(signs, how), judged(signs)
    return fit(network, feed, held, how, loss, folder, lambda epoch: None, logs, goal=Goal(accuracy, **goal))


@pytest.mark.slow
@pytest.mark.parametrize("goal", [{"stop_accuracy": 0.85}, {"stop_loss": 0.4}])
def test_training_ends_with_the_epoch_that_reaches_the_goal(goal: dict[str, float], tmp_path: Path) -> None:
    history = with_goal(tmp_path, **goal)

    assert len(history.curve("accuracy")) == len(history.curve("val_accuracy")) == len(history.curve("loss"))
    assert history.curve("accuracy")[0] < history.curve("accuracy")[-1] <= 1
    reached = [
        accuracy >= goal.get("stop_accuracy", 2) or loss <= goal.get("stop_loss", 0)
        for accuracy, loss in zip(history.curve("accuracy"), history.curve("loss"), strict=True)
    ]
    assert history.stopped
    assert reached == [False] * (len(reached) - 1) + [True]
    assert 1 < len(reached) < 12


@pytest.mark.parametrize(
    ("optimizer", "step"),
    [
        ("sgd", lambda gradient: gradient),
        ("adam", np.sign),  # its two moments cancel in the first step
        ("rmsprop", lambda gradient: gradient / np.sqrt(0.1 * gradient**2 + 1e-7)),  # 0.1 is 1 - rho
    ],
    ids=["sgd", "adam", "rmsprop"],
)
def test_the_first_step_of_an_optimizer_is_the_one_in_its_definition(
    tmp_path: Path, optimizer: Literal["sgd", "adam", "rmsprop"], step: Callable[[Any], Any]
) -> None:
    """One full batch: weights less the rate times a function of the gradient of the mean square."""
    import keras

    from gristmill.training.fit import fit
    from gristmill.training.seeds import seeded

    how = Fit(
        epochs=1, batch_size=48, learning_rate=0.1, schedule="constant", optimizer=optimizer, clip_norm="none", seed=1
    )
    linear = seeded(lambda: keras.Sequential([keras.Input((8,)), keras.layers.Dense(2, use_bias=False)]), 1)
    (before,) = linear.get_weights()

    feed = Whole(TARGETS, how)
    fit(linear, feed, None, how, "mse", tmp_path, lambda epoch: None, logs_of(tmp_path))

    error = HISTORIES[:48] @ before - TARGETS[:48]
    gradient = 2 * HISTORIES[:48].T @ error / error.size
    assert linear.get_weights()[0] == pytest.approx(before - 0.1 * step(gradient), abs=1e-5)


def killed(folder: Path, moment: str, how: str = "") -> None:
    """Train and end this process at a moment: the recurrent network, or with patience or a search the plain one."""
    rename = Path.rename

    def on_epoch(epoch: Epoch) -> None:
        if moment == f"after epoch {epoch.number}":
            kill_self()

    def rename_or_die(path: Path, target: Path) -> Path:
        if moment.startswith("in checkpoint") and target.name == f"epoch-{int(moment.split()[-1]):06}":
            kill_self()
        return rename(path, target)

    with (
        patch.object(Path, "rename", rename_or_die),
        patch("gristmill.training.fit.MIN_SECONDS_BETWEEN_CHECKPOINTS", 0.0),
    ):
        if how:
            train(folder, plain, on_epoch, **{"with patience": PATIENCE, "find": FIND}[how])
        else:
            train(folder, recurrent, on_epoch)

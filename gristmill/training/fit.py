"""Training of any network, in any domain: at a rate that is given or found, checkpointed, stopped in time.

A killed training, started again with the same checkpoint folder, ends with the very weights of one that was not
killed (on the CPU): the order of batches depends on seed and epoch alone, and everything else that changes is in
the checkpoint. What is done again is the epoch that was cut off, and half a second of short ones before it at most.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.errors import Diverged, RequestError
from gristmill.settings.base import Fit
from gristmill.settings.messages import format_number
from gristmill.training import checkpoint, learning_rate
from gristmill.training.distribution import (
    copy_weights,
    distributed_update,
    make_learner,
    make_strategy,
    reseed_per_replica,
)
from gristmill.training.epoch import Epoch
from gristmill.training.history import TrainingHistory
from gristmill.training.learning_rate import Loss, RateTrial
from gristmill.training.precision import with_loss_scaling
from gristmill.training.tensorboard import Curves

logger = logging.getLogger(__name__)

MIN_SECONDS_BETWEEN_CHECKPOINTS = (
    0.5  # seconds between checkpoints at least: flushed to the disk, one takes longer than a small network's epoch
)

OnEpoch = Callable[[Epoch], None]
Batch = tuple[tf.Tensor, ...]  # what a network takes, what it is to give, and weights of the items, if any
Update = Callable[[Batch], object]  # of the network's weights, by a batch


class Feed(Protocol):
    """What a network is trained on: a stream of elements, each of which makes one update or many."""

    elements: int  # an epoch
    updates: int  # an epoch

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return the elements of all epochs from one on (counted from 0); they depend on epoch and seed alone."""
        ...

    def each(self, element: tf.Tensor, update: Update) -> None:
        """Update with each batch of an element, while TensorFlow traces a graph."""
        ...

    def batches(self) -> tf.data.Dataset:
        """Return the batches of the first epoch, for a range test."""
        ...


@dataclass(frozen=True)
class Goal:
    """What is measured beside the loss, and where training may end early."""

    accuracy: keras.metrics.Metric | None = None  # of a classifier, named "accuracy"
    stop_accuracy: float | None = None  # training ends with the epoch whose training accuracy reaches it
    stop_loss: float | None = None  # or whose training loss falls to it

    def reached(self, loss: float, accuracy: float | None) -> bool:
        """Whether an epoch ended where training was to end."""
        enough = self.stop_accuracy is not None and accuracy is not None and accuracy >= self.stop_accuracy
        return enough or (self.stop_loss is not None and loss <= self.stop_loss)


def fit(
    network: keras.Model,
    feed: Feed,
    validation: tf.data.Dataset | None,
    settings: Fit,
    loss: Loss,
    checkpoints: Path,
    on_epoch: OnEpoch,
    logs: Path,
    until: int | None = None,
    goal: Goal = Goal(),
) -> TrainingHistory:
    """Train `network` in place, going on from the newest checkpoint.

    With `settings.patience` the weights of the epoch with the lowest validation loss are kept, otherwise the last.

    Args:
        network: built with `seeded`.
        feed: what it is trained on.
        validation: batches to judge on, or None.
        settings: epochs, patience, batch size, learning rate and its schedule, seed, devices, precision.
        loss: name of a Keras loss, or a function of truth and forecast.
        checkpoints: folder that survives a kill.
        on_epoch: called after each epoch.
        logs: folder of the curves for TensorBoard; those of an earlier try are replaced.
        until: epoch to end after, on a schedule that still spans all of them; the last one if None.
        goal: what is measured beside the loss, and what ends training early.

    Raises:
        RequestError: patience without anything to judge on; or what was begun on another number of devices.
        Diverged: the loss is not a finite number.
    """
    if settings.patience is not None and validation is None:
        raise RequestError(
            "train.patience stops on the validation part, but preprocess.validation is 0. "
            "Set a part, or leave patience out."
        )
    epochs = settings.epochs if until is None else until
    strategy = make_strategy(settings)
    devices = strategy.num_replicas_in_sync
    saved = checkpoint.load(checkpoints)
    course = TrainingHistory.restored(saved[2]) if saved else TrainingHistory(devices=devices)
    _refuse_other_devices(course, devices)
    if course.learning_rate is None:
        course.search, course.learning_rate = _first_rate(network, feed.batches(), settings, loss)
    rate = learning_rate.schedule(settings, course.learning_rate, feed.updates)
    with strategy.scope():
        learner = make_learner(network, settings, strategy)
        optimizer = with_loss_scaling(learning_rate.optimizer(rate, settings, devices), settings.precision)
        optimizer.build(learner.trainable_variables)
    trainee = _FeedModel(learner, feed, strategy)
    trainee.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=[goal.accuracy] if goal.accuracy else None,
        jit_compile=False,  # XLA: no faster for a small network after minutes of compiling for a recurrent one
    )
    keeper = _CheckpointCallback(trainee, course, epochs, settings.patience, goal, checkpoints, on_epoch)
    if saved:
        with strategy.scope():
            keeper.restore(saved[1])
    reseed_per_replica(learner, strategy)
    curves = Curves(logs, course.losses, course.val_losses, course.rates)
    if not keeper.finished:
        trainee.fit(
            feed.stream(keeper.done),
            steps_per_epoch=feed.elements,
            initial_epoch=keeper.done,
            epochs=epochs,
            validation_data=validation,
            callbacks=[keeper, keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: curves.catch_up())],
            shuffle=False,
            verbose=0,
        )
    with strategy.scope():
        keeper.use_best()
    if learner is not network:
        copy_weights(learner, network)
    return course


def _refuse_other_devices(course: TrainingHistory, devices: int) -> None:
    """Refuse to go on with a training on another number of devices, which would round, and draw, otherwise."""
    if course.devices != devices:
        raise RequestError(
            f"this training was begun on {course.devices} device(s), and {devices} would go on with it, to other "
            f"weights. Let it see {course.devices}, or begin again with --refresh."
        )


def _first_rate(
    network: keras.Model, batches: tf.data.Dataset, settings: Fit, loss: Loss
) -> tuple[list[RateTrial], float]:
    """Return the range test, empty where the rate is given, and the rate to start at."""
    if settings.learning_rate != "find":
        return [], settings.learning_rate
    trials = learning_rate.range_test(network, batches, settings, loss)
    found = learning_rate.suggest_rate(trials)
    logger.info("learning rate %s, found in %d updates", format_number(found, 3), len(trials))
    return trials, found


class _FeedModel(keras.Model):
    """A network as it is trained: what Keras takes for a step is an element of the feed, with all its updates."""

    def __init__(self, network: keras.Model, feed: Feed, strategy: tf.distribute.Strategy) -> None:
        super().__init__(network.inputs, network.outputs, name=network.name)
        self._feed = feed
        self._strategy = strategy

    def train_step(self, element: tf.Tensor) -> dict[str, tf.Tensor]:
        several = self._strategy.num_replicas_in_sync > 1
        update = (lambda batch: distributed_update(self, batch, self._strategy)) if several else super().train_step
        self._feed.each(element, update)
        results: dict[str, tf.Tensor] = self.get_metrics_result()
        return results


class _CheckpointCallback(keras.callbacks.Callback):
    """Keeps the course of training and the best weights, writes checkpoints, and stops where there is reason to."""

    def __init__(
        self,
        network: keras.Model,
        course: TrainingHistory,
        epochs: int,
        patience: int | None,
        goal: Goal,
        folder: Path,
        on_epoch: OnEpoch,
    ) -> None:
        super().__init__()
        self._network = network
        self._course = course
        self._epochs = epochs
        self._patience = patience
        self._goal = goal
        self._folder = folder
        self._on_epoch = on_epoch
        self._rate = math.nan
        self._saved = -math.inf  # when the last checkpoint was written
        self._best: checkpoint.Arrays = {}

    @property
    def done(self) -> int:
        """The number of epochs done."""
        return len(self._course.losses)

    @property
    def finished(self) -> bool:
        return self._course.stopped or self.done >= self._epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._rate = float(self._network.optimizer.learning_rate)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        loss, val_loss = (logs or {})["loss"], (logs or {}).get("val_loss")
        if not all(math.isfinite(value) for value in (loss, val_loss) if value is not None):
            raise Diverged(
                f"the loss became {loss} (validation: {val_loss}) in epoch {epoch + 1}, at the learning rate "
                f"{format_number(self._rate, 3)}. Lower train.learning_rate, or look for wild values."
            )
        self._course.losses.append(loss)
        self._course.rates.append(self._rate)
        if val_loss is not None:
            self._course.val_losses.append(val_loss)
        self._note_accuracies(logs or {})
        self._judge()
        self._network.stop_training = self._course.stopped
        self._save()
        self._on_epoch(Epoch(self.done, self._epochs, loss, val_loss))

    def restore(self, arrays: checkpoint.Arrays) -> None:
        """Put what a checkpoint holds into network and optimizer."""
        _assign(self._network.variables, arrays, "network")
        _assign(self._network.optimizer.variables, arrays, "optimizer")
        self._best = {name: array for name, array in arrays.items() if name.startswith("best/")}
        logger.info("going on after epoch %d of %d", self.done, self._epochs)

    def use_best(self) -> None:
        """Put the best epoch's weights into the network."""
        if self._best:
            _assign(self._network.variables, self._best, "best")

    def _save(self) -> None:
        """Write a checkpoint, unless more epochs follow and the last one is young."""
        if self.finished or time.monotonic() - self._saved >= MIN_SECONDS_BETWEEN_CHECKPOINTS:
            checkpoint.save(self._folder, self.done, self._arrays(), asdict(self._course))
            self._saved = time.monotonic()

    def _note_accuracies(self, logs: dict[str, Any]) -> None:
        for name, kept in (("accuracy", self._course.accuracies), ("val_accuracy", self._course.val_accuracies)):
            if name in logs:
                kept.append(logs[name])

    def _judge(self) -> None:
        """Count the epochs since the first best one; without patience the last epoch is the one to keep."""
        accuracy = self._course.accuracies[-1] if self._course.accuracies else None
        self._course.stopped = self._goal.reached(self._course.losses[-1], accuracy)
        patience, losses = self._patience, self._course.val_losses
        if patience is None:
            self._course.best_epoch = self.done
        elif losses[-1] < min(losses[:-1], default=math.inf):
            self._course.best_epoch, self._course.waited = self.done, 0
            self._best = dict(_named(self._network.variables, "best"))
        else:
            self._course.waited += 1
            self._course.stopped |= self._course.waited >= patience

    def _arrays(self) -> checkpoint.Arrays:
        return {
            **dict(_named(self._network.variables, "network")),
            **dict(_named(self._network.optimizer.variables, "optimizer")),
            **self._best,
        }


def _named(variables: list[keras.Variable], group: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    yield from ((f"{group}/{index:04d}", np.asarray(variable.value)) for index, variable in enumerate(variables))


def _assign(variables: list[keras.Variable], arrays: checkpoint.Arrays, group: str) -> None:
    for index, variable in enumerate(variables):
        variable.assign(arrays[f"{group}/{index:04d}"])

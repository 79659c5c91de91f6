"""Training of any network, in any domain: at a given or found learning rate, with checkpoints and early stopping.

A killed training, started again with the same checkpoint folder, ends with the same weights as one that was not killed
(on the CPU): the order of batches depends on seed and epoch alone, and everything else that changes is in the
checkpoint. Only the interrupted epoch is repeated, and the short epochs since the last checkpoint.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypedDict

import keras
import numpy as np
import tensorflow as tf

from gristmill.errors import Diverged, RequestError, WorkError
from gristmill.settings.base import Fit
from gristmill.settings.number_text import format_number
from gristmill.training import checkpoint, learning_rate
from gristmill.training.deadline import check_deadlines
from gristmill.training.distribution import (
    copy_weights,
    distributed_update,
    make_learner,
    make_strategy,
    reseed_per_replica,
    with_loss_scaling,
)
from gristmill.training.history import CURVES, Curves, TrainingHistory
from gristmill.training.learning_rate import Loss
from gristmill.training.progress import Epoch

logger = logging.getLogger(__name__)

MIN_SECONDS_BETWEEN_CHECKPOINTS = 0.5  # writing one to disk takes longer than an epoch of a small network

OnEpoch = Callable[[Epoch], None]
Batch = tuple[tf.Tensor, ...]  # inputs, targets, and weights of the items, if any
Update = Callable[[Batch], object]  # updates the weights of the network with a batch


class Feed(Protocol):
    """Training data: a stream of elements, each of which holds one batch or many."""

    elements: int  # per epoch
    updates: int  # per epoch

    def stream(self, first_epoch: int) -> tf.data.Dataset:
        """Return the elements of all epochs from `first_epoch` (from 0) on; they depend on epoch and seed alone."""

    def for_each_batch(self, element: tf.Tensor, update: Update) -> None:
        """Update with every batch of an element; called while TensorFlow traces a graph."""

    def batches(self) -> tf.data.Dataset:
        """Return the batches of the first epoch, for a range test."""


class FitArguments(TypedDict):
    """Arguments of a stage that trains, which it passes on to `fit`."""

    scratch: Path  # folder of checkpoints; it survives a kill
    logs: Path  # folder of the curves for TensorBoard; curves of an earlier attempt are replaced
    on_epoch: OnEpoch  # called after each epoch


@dataclass(frozen=True)
class Goal:
    """Accuracy to measure, and conditions that end a training early."""

    accuracy: keras.metrics.Metric | None = None  # of a classifier, named "accuracy"
    stop_accuracy: float | None = None  # stop after the epoch whose training accuracy reaches it
    stop_loss: float | None = None  # stop after the epoch whose training loss falls to it

    def reached(self, loss: float, accuracy: float | None) -> bool:
        """Return whether an epoch's training loss or accuracy ends the training."""
        accurate = self.stop_accuracy is not None and accuracy is not None and accuracy >= self.stop_accuracy
        return accurate or (self.stop_loss is not None and loss <= self.stop_loss)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn an error of TensorFlow into one line: a network of the user's may not suit the values that it gets."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        reason = error.message.partition("\n\t [[")[0]  # before the node
        reason = (reason.strip().splitlines() or ["no message"])[-1]  # after a trace
        raise RequestError(f"the network cannot be trained: {reason}. Build it for the values it is given.") from error


@_one_line_errors()
def fit(
    network: keras.Model,
    feed: Feed,
    validation: tf.data.Dataset | None,
    settings: Fit,
    loss: Loss,
    scratch: Path,
    on_epoch: OnEpoch,
    logs: Path,
    until: int | None = None,
    goal: Goal = Goal(),
) -> TrainingHistory:
    """Train `network`, built with `seeded`, in place, resuming from the newest checkpoint.

    With `settings.patience` the weights of the epoch with the lowest validation loss are kept, otherwise the last.
    Training ends after epoch `until`, if given; the learning rate schedule still spans all of `settings.epochs`. For
    other arguments see `FitArguments`.

    Raises:
        RequestError: patience without a validation set, or a network that cannot compute with its inputs.
        WorkError: a checkpoint of another number of devices.
        Diverged: the loss is not a finite number.
    """
    if settings.patience is not None and validation is None:
        raise RequestError(
            "train.patience stops on the validation set, but preprocess.validation is 0. Set a part, or leave patience "
            "out."
        )
    # 1. Read the newest checkpoint.
    epochs = settings.epochs if until is None else until
    strategy = make_strategy(settings)
    devices = strategy.num_replicas_in_sync
    saved = checkpoint.load(scratch)
    history = TrainingHistory.restored(saved[2]) if saved else TrainingHistory(devices=devices)
    if history.devices != devices:  # rounding and random draws would differ
        raise WorkError(
            f"this training was begun on {history.devices} device(s); resuming it on {devices} would give other "
            f"weights. Make {history.devices} visible, or begin again with --refresh."
        )
    # 2. Find the learning rate to start with.
    if history.learning_rate is None:
        if settings.learning_rate == "find":
            history.search = learning_rate.range_test(network, feed.batches(), settings, loss)
            history.learning_rate = learning_rate.suggest_rate(history.search)
            rate_text = format_number(history.learning_rate, 3)
            logger.info("learning rate %s, found in %d updates", rate_text, len(history.search))
        else:
            history.learning_rate = settings.learning_rate
    # 3. Compile an equal network, on several devices or in mixed precision if the settings ask for it.
    rate = learning_rate.schedule(settings, history.learning_rate, feed.updates)
    with strategy.scope():
        learner = make_learner(network, settings, strategy)
        optimizer = with_loss_scaling(learning_rate.optimizer(rate, settings, devices), settings.precision)
        optimizer.build(learner.trainable_variables)
    model = _FeedModel(learner, feed, strategy)
    model.compile(
        optimizer=optimizer,
        loss=loss,
        metrics=[goal.accuracy] if goal.accuracy else None,
        jit_compile=False,  # XLA is no faster for small networks, and takes minutes to compile recurrent ones
    )
    # 4. Train on from the checkpoint.
    curves = Curves(logs, history)
    callback = _CheckpointCallback(model, history, epochs, settings.patience, goal, scratch, on_epoch, curves)
    if saved:
        with strategy.scope():
            callback.restore(saved[1])
    reseed_per_replica(learner, strategy)
    if not callback.finished:
        model.fit(
            feed.stream(callback.done),
            steps_per_epoch=feed.elements,
            initial_epoch=callback.done,
            epochs=epochs,
            validation_data=validation,
            callbacks=[callback],
            shuffle=False,
            verbose=0,
        )
    # 5. Keep the weights of the best epoch.
    if callback.best:
        with strategy.scope():
            _assign(model.variables, callback.best, "best")
    if learner is not network:
        copy_weights(learner, network)
    return history


class _FeedModel(keras.Model):
    """Network whose training step, in Keras's sense, is an element of the feed with all its updates."""

    def __init__(self, network: keras.Model, feed: Feed, strategy: tf.distribute.Strategy) -> None:
        super().__init__(network.inputs, network.outputs, name=network.name)
        self._feed = feed
        self._strategy = strategy

    def train_step(self, element: tf.Tensor) -> dict[str, tf.Tensor]:
        update = super().train_step
        if self._strategy.num_replicas_in_sync > 1:
            update = partial(distributed_update, self, strategy=self._strategy)
        self._feed.for_each_batch(element, update)
        results: dict[str, tf.Tensor] = self.get_metrics_result()
        return results


@dataclass(eq=False)
class _CheckpointCallback(keras.callbacks.Callback):
    """Record history and best weights, write checkpoints, and stop the training early or at a deadline."""

    network: keras.Model
    history: TrainingHistory
    epochs: int
    patience: int | None
    goal: Goal
    folder: Path
    on_epoch: OnEpoch
    curves: Curves
    rate: float = math.nan  # of the current epoch
    saved: float = -math.inf  # when the last checkpoint was written
    best: checkpoint.Arrays = field(default_factory=dict)  # weights of the best epoch

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def done(self) -> int:
        """Number of finished epochs."""
        return len(self.history.epochs)

    @property
    def finished(self) -> bool:
        return self.history.stopped or self.done >= self.epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.rate = float(self.network.optimizer.learning_rate)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        check_deadlines()

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        check_deadlines()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        measured = logs or {}
        loss, val_loss = measured["loss"], measured.get("val_loss")
        if not all(math.isfinite(value) for value in (loss, val_loss) if value is not None):
            raise Diverged(
                f"the loss became {loss} (validation: {val_loss}) in epoch {epoch + 1}, at the learning rate "
                f"{format_number(self.rate, 3)}. Lower train.learning_rate, or look for extreme values in the data."
            )
        history = self.history
        history.epochs.append({name: measured[name] for name in CURVES if name in measured} | {"rate": self.rate})
        history.stopped = self.goal.reached(loss, measured.get("accuracy"))
        # Keep the weights of the first epoch with the lowest validation loss; without patience, those of the last.
        if self.patience is None:
            history.best_epoch = self.done
        elif (losses := history.curve("val_loss"))[-1] < min(losses[:-1], default=math.inf):
            history.best_epoch, history.waited = self.done, 0
            self.best = _arrays(self.network.variables, "best")
        else:
            history.waited += 1
            history.stopped |= history.waited >= self.patience
        # Write a checkpoint now and then, and after the last epoch.
        self.network.stop_training = history.stopped
        if self.finished or time.monotonic() - self.saved >= MIN_SECONDS_BETWEEN_CHECKPOINTS:
            weights = _arrays(self.network.variables, "network")
            arrays = weights | _arrays(self.network.optimizer.variables, "optimizer") | self.best
            checkpoint.save(self.folder, self.done, arrays, asdict(history))
            self.saved = time.monotonic()
        self.on_epoch(Epoch(self.done, self.epochs, loss, val_loss))
        self.curves.catch_up()

    def restore(self, arrays: checkpoint.Arrays) -> None:
        """Set network and optimizer to the state of a checkpoint."""
        _assign(self.network.variables, arrays, "network")
        _assign(self.network.optimizer.variables, arrays, "optimizer")
        self.best = {name: array for name, array in arrays.items() if name.startswith("best/")}
        logger.info("resuming after epoch %d of %d", self.done, self.epochs)


def _arrays(variables: list[keras.Variable], group: str) -> checkpoint.Arrays:
    return {f"{group}/{index:04d}": np.asarray(variable.value) for index, variable in enumerate(variables)}


def _assign(variables: list[keras.Variable], arrays: checkpoint.Arrays, group: str) -> None:
    for index, variable in enumerate(variables):
        variable.assign(arrays[f"{group}/{index:04d}"])

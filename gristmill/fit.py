"""Training of any network, in any domain: seeded, checkpointed every epoch, stopped in time.

A killed training, started again with the same checkpoint folder, ends with the very weights of one that was not
killed (on the CPU): the order of batches depends on seed and epoch alone, and everything else that changes is in
the checkpoint.
"""

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill import checkpoint
from gristmill.epoch import Epoch
from gristmill.errors import Diverged
from gristmill.settings import Fit

logger = logging.getLogger(__name__)


OnEpoch = Callable[[Epoch], None]


@dataclass
class Course:
    """What happened over the epochs; saved in every checkpoint."""

    losses: list[float] = field(default_factory=list)
    val_losses: list[float] = field(default_factory=list)
    best_epoch: int = 0  # the epoch whose weights are kept
    waited: int = 0  # epochs since the best one
    stopped: bool = False  # early, by patience


def fit(
    network: keras.Model,
    batches: Callable[[int], tf.data.Dataset],
    steps: int,
    validation: tf.data.Dataset | None,
    settings: Fit,
    loss: str,
    checkpoints: Path,
    on_epoch: OnEpoch,
) -> Course:
    """Train `network` in place, going on from the newest checkpoint.

    With `settings.patience` the weights of the epoch with the lowest validation loss are kept, otherwise the last.

    Args:
        network: built with `seeded`, not compiled.
        batches: gives the stream of batches from an epoch (counted from 0) to the last; each epoch's order must
            depend on the epoch and the seed alone.
        steps: batches an epoch.
        validation: batches to judge on, or None.
        settings: epochs, patience, batch size, learning rate, seed.
        loss: name of a Keras loss.
        checkpoints: folder that survives a kill.
        on_epoch: called after each epoch.

    Raises:
        Diverged: the loss is not a finite number.
    """
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.epochs * steps)
    network.compile(
        optimizer=keras.optimizers.Adam(schedule, global_clipnorm=settings.clip_norm),
        loss=loss,
        steps_per_execution=steps,  # one call into TensorFlow an epoch: 2.7 times faster for a small network
        jit_compile=False,  # XLA: no faster for a small network after minutes of compiling for a recurrent one
    )
    network.optimizer.build(network.trainable_variables)
    keeper = _Keeper(network, settings, checkpoints, on_epoch)
    if not keeper.finished:
        network.fit(
            batches(keeper.done),
            steps_per_epoch=steps,
            initial_epoch=keeper.done,
            epochs=settings.epochs,
            validation_data=validation,
            callbacks=[keeper],
            shuffle=False,
            verbose=0,
        )
    keeper.use_best()
    return keeper.course


def seeded(build: Callable[[], keras.Model], seed: int) -> keras.Model:
    """Build a network whose weights and names depend on the seed alone, not on what this process built before."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    return build()


def shuffled(order: tf.Tensor, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """Return `order` shuffled in a way that depends on seed and epoch alone."""
    return tf.random.experimental.stateless_shuffle(
        order, seed=tf.stack([tf.constant(seed, tf.int64), tf.cast(epoch, tf.int64)])
    )


class _Keeper(keras.callbacks.Callback):
    """Keeps the course of training and the best weights, writes checkpoints, and stops where there is reason to."""

    def __init__(self, network: keras.Model, settings: Fit, folder: Path, on_epoch: OnEpoch) -> None:
        super().__init__()
        self._network = network
        self._settings = settings
        self._folder = folder
        self._on_epoch = on_epoch
        self._best: checkpoint.Arrays = {}
        self.course = Course()
        self.done = 0
        if found := checkpoint.load(folder):
            self._restore(*found)

    @property
    def finished(self) -> bool:
        return self.course.stopped or self.done >= self._settings.epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.done = epoch + 1
        loss, val_loss = (logs or {})["loss"], (logs or {}).get("val_loss")
        if not all(math.isfinite(value) for value in (loss, val_loss) if value is not None):
            raise Diverged(
                f"the loss became {loss} (validation: {val_loss}) in epoch {self.done}. "
                "Lower train.learning_rate, or look for wild values."
            )
        self.course.losses.append(loss)
        if val_loss is not None:
            self.course.val_losses.append(val_loss)
        self._judge()
        self._network.stop_training = self.course.stopped
        checkpoint.save(self._folder, self.done, self._arrays(), asdict(self.course))
        self._on_epoch(Epoch(self.done, self._settings.epochs, loss, val_loss))

    def use_best(self) -> None:
        """Put the best epoch's weights into the network."""
        if self._best:
            _assign(self._network.variables, self._best, "best")

    def _judge(self) -> None:
        """Count the epochs since the best; without patience the last epoch is the one to keep."""
        patience, losses = self._settings.patience, self.course.val_losses
        if patience is None:
            self.course.best_epoch = self.done
        elif losses[-1] <= min(losses):
            self.course.best_epoch, self.course.waited = self.done, 0
            self._best = dict(_named(self._network.variables, "best"))
        else:
            self.course.waited += 1
            self.course.stopped = self.course.waited >= patience

    def _arrays(self) -> checkpoint.Arrays:
        return {
            **dict(_named(self._network.variables, "network")),
            **dict(_named(self._network.optimizer.variables, "optimizer")),
            **self._best,
        }

    def _restore(self, done: int, arrays: checkpoint.Arrays, course: dict[str, Any]) -> None:
        _assign(self._network.variables, arrays, "network")
        _assign(self._network.optimizer.variables, arrays, "optimizer")
        self._best = {name: array for name, array in arrays.items() if name.startswith("best/")}
        self.course = Course(**course)
        self.done = done
        logger.info("going on after epoch %d of %d", done, self._settings.epochs)


def _named(variables: list[keras.Variable], group: str) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    yield from ((f"{group}/{index:04d}", np.asarray(variable.value)) for index, variable in enumerate(variables))


def _assign(variables: list[keras.Variable], arrays: checkpoint.Arrays, group: str) -> None:
    for index, variable in enumerate(variables):
        variable.assign(arrays[f"{group}/{index:04d}"])

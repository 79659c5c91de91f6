"""History of a training, epoch by epoch, and its curves as event files for TensorBoard.

Event files have the layout of Keras's own callback, and are written as records. `tf.summary.scalar` and that callback
need the `tensorboard` package, which TensorFlow no longer installs, and take twenty times as long.
"""

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tensorflow as tf

from gristmill.training.learning_rate import RateTrial

logger = logging.getLogger(__name__)

CURVES = ("loss", "val_loss", "accuracy", "val_accuracy")  # of the training and the validation set; as Keras names them


@dataclass
class TrainingHistory:
    """Curves of all epochs, and what has been decided on them; saved in every checkpoint."""

    search: list[RateTrial] = field(default_factory=list)  # the range test; empty with a given learning rate
    learning_rate: float | None = None  # at the start, given or found; None without gradient descent
    epochs: list[dict[str, float]] = field(default_factory=list)  # measured `CURVES`, and the `rate` at the start
    best_epoch: int = 0  # the epoch whose weights are kept
    waited: int = 0  # epochs since the best one
    stopped: bool = False  # early: by patience, or because a goal was reached
    devices: int = 1

    def curve(self, name: str) -> list[float]:
        """Return a value of every epoch."""
        return [epoch[name] for epoch in self.epochs]

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "TrainingHistory":
        """Return the history that a checkpoint holds as JSON."""
        return cls(**state | {"search": [RateTrial(*trial) for trial in state["search"]]})


class Curves:
    """Event files of the training and the validation set, with a point per epoch.

    A resumed training writes its curves again from the start, so no point is duplicated.
    """

    def __init__(self, folder: Path, history: TrainingHistory) -> None:
        """Write the epochs of a history so far into `folder`; curves of an earlier attempt are deleted."""
        self._folder = folder
        self._history = history
        self._files: dict[str, tf.io.TFRecordWriter] = {}
        self._written = 0  # epochs
        self._broken = False
        for old in folder.glob("*/*tfevents*"):
            old.unlink(missing_ok=True)
        self.catch_up()

    def catch_up(self) -> None:
        """Write the epochs that are missing. A failing disk ends the curves with a warning, not the training."""
        try:
            while self._written < len(self._history.epochs) and not self._broken:
                at, epoch = self._written, self._history.epochs[self._written]
                self._write("train", at, {"epoch_loss": epoch["loss"], "epoch_learning_rate": epoch["rate"]})
                if "val_loss" in epoch:
                    self._write("validation", at, {"epoch_loss": epoch["val_loss"]})
                self._written += 1
        except (tf.errors.OpError, OSError) as error:
            logger.warning("%s: the curves for TensorBoard end here (%s)", self._folder, error)
            self._broken = True

    def _write(self, part: str, at: int, values: dict[str, float]) -> None:
        if part not in self._files:
            (self._folder / part).mkdir(parents=True, exist_ok=True)
            # The name holds the time: an open TensorBoard continues with the file whose name sorts after the last one.
            file = tf.io.TFRecordWriter(str(self._folder / part / f"events.out.tfevents.{time.time_ns()}"))
            file.write(tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
            self._files[part] = file
        points = [tf.compat.v1.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        event = tf.compat.v1.Event(wall_time=time.time(), step=at + 1, summary=tf.compat.v1.Summary(value=points))
        self._files[part].write(event.SerializeToString())
        self._files[part].flush()

"""The curves of a training as event files, in the layout of Keras' own callback, for TensorBoard to draw.

They are written as records, not by `tf.summary.scalar` or Keras' callback: those need the `tensorboard` package, which
TensorFlow no longer brings, and take twenty times as long.
"""

import logging
import time
from pathlib import Path

import tensorflow as tf

logger = logging.getLogger(__name__)


class Curves:
    """One event file for the training and one for the validation, each with a point an epoch.

    A training that goes on after a kill writes its curves anew, so that no point is there twice.
    """

    def __init__(self, folder: Path, losses: list[float], val_losses: list[float], rates: list[float]) -> None:
        """Draw the epochs so far in `folder`; curves of an earlier try are removed.

        Args:
            folder: below which `train` and `validation` lie.
            losses: of each epoch; the list grows as training goes on.
            val_losses: the same on the validation part; empty where there is none.
            rates: the same of learning rates.
        """
        self._folder = folder
        self._losses, self._val_losses, self._rates = losses, val_losses, rates
        self._files: dict[str, tf.io.TFRecordWriter] = {}
        self._drawn = 0
        self._broken = False
        for old in folder.glob("*/*tfevents*"):
            old.unlink(missing_ok=True)
        self.catch_up()

    def catch_up(self) -> None:
        """Draw the epochs that are not drawn yet; where that fails, say so once: a training is worth more."""
        try:
            while self._drawn < len(self._losses) and not self._broken:
                self._draw(self._drawn)
                self._drawn += 1
        except (tf.errors.OpError, OSError) as error:
            logger.warning("%s: the curves for TensorBoard end here (%s)", self._folder, error)
            self._broken = True

    def _draw(self, index: int) -> None:
        self._write("train", index + 1, {"epoch_loss": self._losses[index], "epoch_learning_rate": self._rates[index]})
        if self._val_losses:
            self._write("validation", index + 1, {"epoch_loss": self._val_losses[index]})

    def _write(self, part: str, epoch: int, values: dict[str, float]) -> None:
        file = self._file(part)
        points = [tf.compat.v1.Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        event = tf.compat.v1.Event(wall_time=time.time(), step=epoch, summary=tf.compat.v1.Summary(value=points))
        file.write(event.SerializeToString())
        file.flush()

    def _file(self, part: str) -> tf.io.TFRecordWriter:
        if part not in self._files:
            (self._folder / part).mkdir(parents=True, exist_ok=True)
            # By time: an open TensorBoard goes on with the file whose name comes after the one it has read.
            file = tf.io.TFRecordWriter(str(self._folder / part / f"events.out.tfevents.{time.time_ns()}"))
            file.write(tf.compat.v1.Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
            self._files[part] = file
        return self._files[part]

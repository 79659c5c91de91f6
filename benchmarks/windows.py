"""Compare the speed of gristmill's windows with the course's `window().flat_map()`, in one process and in turn.

windows/s     read in one TensorFlow function, as in training: window 30, batch size 32, 10,000 float32 values;
              gristmill shuffles in every epoch
epoch         of the course's dense network (20, 10, 1) on 3,175 windows of 60, batch size 32, 100 updates:
              gristmill's `fit` with its checkpoints, compared with Keras' `fit` on the course's batches
its input     how much longer the epoch is than one with the same number of updates on one repeated batch
"""

import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from course_timeseries import dense, windowed_dataset
from measuring import arguments, table, tell

from gristmill.domains.timeseries.data.dataset import Layout, Prepared
from gristmill.domains.timeseries.settings import Train
from gristmill.domains.timeseries.train import WindowFeed
from gristmill.training.fit import Update, fit
from gristmill.training.seeds import seeded

BATCH = 32
ROUNDS = 7
EPOCHS = 30  # per round


def prepared(values: np.ndarray, history: int) -> Prepared:
    """Return a series whose windows are all in the training set."""
    layout = Layout(
        targets=["y"],
        inputs=[],
        known=[],
        frequency="1",
        history=history,
        horizon=1,
        stride=1,
        scale="none",
        normalise="none",
        residual=False,
        mean=[0.0],
        deviation=[1.0],
    )
    end = len(values)
    return Prepared(
        ids=["y"],
        times=pd.RangeIndex(end),
        values=values[:, np.newaxis],
        filled=np.zeros(end, bool),
        bounds=np.array([[0, end]]),
        parts=np.array([[[0, end], [end, end], [end, end]]]),
        layout=layout,
    )


class Repeated(WindowFeed):
    """Feed that repeats the first batch."""

    def __init__(self, data: Prepared, settings: Train) -> None:
        super().__init__(data, settings)
        self._first = next(iter(self.batches()))

    def for_each_batch(self, element: tf.Tensor, update: Update) -> None:
        super().for_each_batch(element, lambda batch: update(self._first))


def drained(feed: WindowFeed, epochs: int) -> float:
    """Return the seconds per batch of gristmill; one value of each array is used."""
    total = tf.Variable(0.0)

    @tf.function
    def drain(element: tuple[tf.Tensor, tf.Tensor]) -> None:
        feed.for_each_batch(element, lambda batch: total.assign_add(batch[0][0, 0, 0] + batch[1][0, 0, 0]))

    drain(next(iter(feed.stream(0))))
    began = time.perf_counter()
    for element in feed.stream(0):
        drain(element)
    return (time.perf_counter() - began) / (epochs * feed.updates)


@tf.function
def drain(batches: tf.data.Iterator, count: tf.Tensor) -> tf.Tensor:
    """Read batches and use one value of each array."""
    total = 0.0
    for _ in tf.range(count):
        history, target = next(batches)
        total += tf.reshape(history, [-1])[0] + tf.reshape(target, [-1])[0]
    return total


def seconds_a_batch(data: tf.data.Dataset, count: int) -> float:
    """Return the seconds per batch of the course, after a few batches to warm up."""
    batches = iter(data)
    drain(batches, tf.constant(5))
    began = time.perf_counter()
    drain(batches, tf.constant(count))
    return (time.perf_counter() - began) / count


def feeding(values: np.ndarray, history: int, epochs: int) -> tuple[list[float], list[float]]:
    """Return the seconds per batch of gristmill and of the course, round by round."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        feed = WindowFeed(prepared(values, history), Train(batch_size=BATCH, epochs=epochs))
        ours.append(drained(feed, epochs))
        theirs.append(seconds_a_batch(windowed_dataset(values, history, BATCH), feed.updates - 6))
    return ours, theirs


def network(history: int, channels: tuple[int, ...] = ()) -> keras.Model:
    """Return the course's dense network, for (batch, history) or (batch, history, channels)."""
    flat = [keras.layers.Reshape((history,))] if channels else []
    return keras.Sequential([keras.Input((history, *channels)), *flat, *dense(20, 10, 1)()])


def gristmills_epochs(values: np.ndarray, history: int, kind: type[WindowFeed] = WindowFeed) -> list[float]:
    """Return the seconds of each epoch except the first."""
    settings = Train(batch_size=BATCH, epochs=EPOCHS)
    feed = kind(prepared(values, history), settings)
    made = seeded(lambda: one_output(network(history, (1,))), settings.seed)
    with TemporaryDirectory() as folder:
        place = Path(folder)
        return between_epochs(
            lambda told: fit(made, feed, None, settings, "huber", place / "checkpoints", told, place / "logs")
        )


def one_output(made: keras.Model) -> keras.Model:
    """Return the network with an output of shape (batch, horizon, targets)."""
    return keras.Sequential([keras.Input(made.input_shape[1:]), *made.layers, keras.layers.Reshape((1, 1))])


def courses_epochs(values: np.ndarray, history: int) -> list[float]:
    """Return the seconds of each epoch except the first."""
    made = network(history)
    made.compile(loss="huber", optimizer=keras.optimizers.SGD(1e-7, momentum=0.9))
    data = windowed_dataset(values, history, BATCH)
    return between_epochs(
        lambda told: made.fit(
            data, epochs=EPOCHS, verbose=0, shuffle=False, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=told)]
        )
    )


def between_epochs(train: Callable[[Callable[..., None]], object]) -> list[float]:
    """Return the seconds between the ends of epochs."""
    ends: list[float] = []
    train(lambda *epoch: ends.append(time.perf_counter()))
    return list(np.diff(ends))


def main() -> None:
    write = arguments(__doc__).parse_args().write
    # Keras warns in the first epoch, in which it learns the length of the course's data.
    warnings.filterwarnings("ignore", "Your input ran out of data")
    random = np.random.default_rng(0)
    ours, theirs = feeding(random.normal(size=10_000).astype("float32"), 30, EPOCHS)
    rates = [BATCH / statistics.median(seconds) for seconds in (ours, theirs)]
    rows = [
        (
            "windows/s, window 30, batch 32",
            *(f"{rate:,.0f}" for rate in rates),
            f"{rates[0] / rates[1]:.1f}",
        )
    ]
    values = random.normal(size=3_235).astype("float32")
    rounds = [
        [
            statistics.median(run())
            for run in (
                lambda: gristmills_epochs(values, 60),
                lambda: gristmills_epochs(values, 60, Repeated),
                lambda: courses_epochs(values, 60),
            )
        ]
        for _ in range(ROUNDS)
    ]
    ours, repeated, theirs = (1000 * statistics.median(column) for column in zip(*rounds, strict=True))
    rows += [
        (
            "epoch of 100 updates, ms",
            f"{ours:.1f}",
            f"{theirs:.1f}",
            f"{theirs / ours:.1f}",
        ),
        ("the same with one repeated batch, ms", f"{repeated:.1f}", "", ""),
    ]
    told = f"Medians of {ROUNDS} alternating rounds. Input takes {1 - repeated / ours:.0%} of the epoch."
    tell("Windows", [*table(["", "gristmill", "course's code", "ratio"], rows), "", told], write)


if __name__ == "__main__":
    main()

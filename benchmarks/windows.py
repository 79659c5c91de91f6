"""How fast windows are fed to training, against the course's `window().flat_map()`, in one process and in turn.

windows/s     taken from the iterator in one TensorFlow function, as training takes them: window 30, batch 32, of
              10,000 float32 values; gristmill's with its shuffle of every epoch
an epoch      of the course's dense network (20, 10, 1) on 3,175 windows of 60, batch 32, 100 updates: gristmill's
              `fit` with its checkpoints against Keras' `fit` on the course's batches; and the share of it that
              taking the batches alone needs
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

from gristmill.fit import fit, seeded
from gristmill.timeseries.feed import WindowBatches
from gristmill.timeseries.prepared import Layout, Prepared
from gristmill.timeseries.settings import Train

BATCH = 32
ROUNDS = 7
EPOCHS = 30  # a round


def prepared(values: np.ndarray, history: int) -> Prepared:
    """Return a series whose windows are all for training."""
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


@tf.function
def drain(batches: tf.data.Iterator, count: tf.Tensor) -> tf.Tensor:
    """Take batches and use one value of each."""
    total = 0.0
    for _ in tf.range(count):
        history, _ = next(batches)
        total += tf.reshape(history, [-1])[0]
    return total


def seconds_a_batch(data: tf.data.Dataset, count: int) -> float:
    """Return how long a batch takes, after a few to warm up."""
    batches = iter(data)
    drain(batches, tf.constant(5))
    began = time.perf_counter()
    drain(batches, tf.constant(count))
    return (time.perf_counter() - began) / count


def feeding(values: np.ndarray, history: int, epochs: int) -> tuple[list[float], list[float]]:
    """Return the seconds a batch of gristmill and of the course, round by round."""
    ours, theirs = [], []
    for _ in range(ROUNDS):
        batches = WindowBatches(prepared(values, history), Train(batch_size=BATCH, epochs=epochs))
        ours.append(seconds_a_batch(batches.stream(0), batches.steps * epochs - 5))
        theirs.append(seconds_a_batch(windowed_dataset(values, history, BATCH), batches.steps - 6))
    return ours, theirs


def network(history: int, channels: tuple[int, ...] = ()) -> keras.Model:
    """Return the course's dense network, for (batch, history) or (batch, history, channels)."""
    flat = [keras.layers.Reshape((history,))] if channels else []
    return keras.Sequential([keras.Input((history, *channels)), *flat, *dense(20, 10, 1)()])


def gristmills_epochs(values: np.ndarray, history: int) -> list[float]:
    """Return the seconds of each epoch but the first."""
    settings = Train(batch_size=BATCH, epochs=EPOCHS)
    batches = WindowBatches(prepared(values, history), settings)
    made = seeded(lambda: one_output(network(history, (1,))), settings.seed)
    with TemporaryDirectory() as folder:
        place = Path(folder)
        return between_epochs(
            lambda told: fit(
                made,
                batches.stream,
                batches.steps,
                None,
                settings,
                "huber",
                place / "checkpoints",
                told,
                place / "logs",
            )
        )


def one_output(made: keras.Model) -> keras.Model:
    """Return the network with its output as (batch, horizon, targets)."""
    return keras.Sequential([*made.layers, keras.layers.Reshape((1, 1))])


def courses_epochs(values: np.ndarray, history: int) -> list[float]:
    """Return the seconds of each epoch but the first."""
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
    warnings.filterwarnings("ignore", "Your input ran out of data")  # how Keras learns how long the course's data is
    random = np.random.default_rng(0)
    ours, theirs = feeding(random.normal(size=10_000).astype("float32"), 30, EPOCHS)
    rates = [BATCH / statistics.median(seconds) for seconds in (ours, theirs)]
    print("| | gristmill | the course's way | ratio |\n|---|---:|---:|---:|")
    print(f"| windows/s, window 30, batch 32 | {rates[0]:,.0f} | {rates[1]:,.0f} | {rates[0] / rates[1]:.1f} |")
    values = random.normal(size=3_235).astype("float32")
    epochs: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        epochs[0].append(statistics.median(gristmills_epochs(values, 60)))
        epochs[1].append(statistics.median(courses_epochs(values, 60)))
    ours, theirs = feeding(values, 60, EPOCHS)
    spent = [1000 * statistics.median(seconds) for seconds in epochs]
    print(f"| epoch of 100 updates, ms | {spent[0]:.1f} | {spent[1]:.1f} | {spent[1] / spent[0]:.1f} |")
    input_ms = [100 * 1000 * statistics.median(seconds) for seconds in (ours, theirs)]
    shares = [f"{input_ms[at] / spent[at]:.0%}" for at in (0, 1)]
    print(f"| its batches alone, ms (share) | {input_ms[0]:.1f} ({shares[0]}) | {input_ms[1]:.1f} ({shares[1]}) | |")
    print(f"\nMedians of {ROUNDS} rounds in turn; {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()

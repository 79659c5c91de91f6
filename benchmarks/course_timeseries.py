"""Train the course's time-series networks by the course's own recipes.

    benchmarks/course_timeseries.py ROW [--seed N] [--epochs N] [--data FOLDER]

Trains one row of the table below and prints one JSON line with its test errors, one step ahead, for all values after
the split. The code is rewritten from the published settings: `window().flat_map()` batches, raw values, SGD with
momentum, and no validation set. There are two changes. `Rescaling` and `Reshape` replace the course's Lambda layers,
which can be saved but not loaded. A network forecasts from windows as long as those it was trained on.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers

SHUFFLE = 1000  # windows in the buffer
MOMENTUM = 0.9
# The file of each series; its last column holds the values.
GENERATED, SUNSPOTS, TEMPERATURES = "", "sunspots.csv", "daily-min-temperatures.csv"
SPLITS = {GENERATED: 1000, SUNSPOTS: 3000, TEMPERATURES: 2500}


def dense(*units: int) -> Callable[[], list[layers.Layer]]:
    """Return dense layers on the values of a window, with ReLU on all but the last."""
    return lambda: [*(layers.Dense(n, activation="relu") for n in units[:-1]), layers.Dense(units[-1])]


def rnn() -> list[layers.Layer]:
    """Return two simple recurrent layers of 40 units, rescaled by 100."""
    return [
        layers.Reshape((-1, 1)),
        layers.SimpleRNN(40, return_sequences=True),
        layers.SimpleRNN(40),
        layers.Dense(1),
        layers.Rescaling(100.0),
    ]


def bilstm() -> list[layers.Layer]:
    """Return two bidirectional LSTM layers of 32 units, rescaled by 100."""
    return [
        layers.Reshape((-1, 1)),
        layers.Bidirectional(layers.LSTM(32, return_sequences=True)),
        layers.Bidirectional(layers.LSTM(32)),
        layers.Dense(1),
        layers.Rescaling(100.0),
    ]


def conv_lstm() -> list[layers.Layer]:
    """Return a causal convolution of 32 (kernel 3) and two LSTM layers of 32, rescaled by 200, at every step."""
    return [
        layers.Conv1D(32, 3, padding="causal", activation="relu"),
        layers.LSTM(32, return_sequences=True),
        layers.LSTM(32, return_sequences=True),
        layers.Dense(1),
        layers.Rescaling(200.0),
    ]


def deep_conv_lstm() -> list[layers.Layer]:
    """Return a causal convolution of 60 (kernel 5), two LSTM of 60, dense 30, 10, 1, rescaled by 400, at every step."""
    return [
        layers.Conv1D(60, 5, padding="causal", activation="relu"),
        layers.LSTM(60, return_sequences=True),
        layers.LSTM(60, return_sequences=True),
        *dense(30, 10, 1)(),
        layers.Rescaling(400.0),
    ]


@dataclass(frozen=True)
class Row:
    """One training of the course."""

    series: str
    window: int
    batch: int
    network: Callable[[], list[layers.Layer]]
    loss: str
    rate: float
    epochs: int
    sequences: bool = False  # whether the target is the window one step later, instead of the next value


ROWS = {
    "dense1": Row(GENERATED, 20, 32, dense(1), "mse", 1e-6, 100),
    "dense": Row(GENERATED, 30, 32, dense(10, 10, 1), "mse", 8e-6, 500),
    "rnn": Row(GENERATED, 20, 128, rnn, "huber", 5e-5, 400),
    "bilstm": Row(GENERATED, 20, 32, bilstm, "mse", 1e-5, 500),
    "conv_lstm": Row(GENERATED, 30, 32, conv_lstm, "huber", 1e-5, 500, sequences=True),
    "sunspots_dense": Row(SUNSPOTS, 60, 32, dense(20, 10, 1), "mse", 1e-7, 100),
    "sunspots_conv_lstm": Row(SUNSPOTS, 60, 100, deep_conv_lstm, "huber", 1e-5, 500, sequences=True),
    "temperatures_conv_lstm": Row(TEMPERATURES, 60, 100, deep_conv_lstm, "huber", 1e-5, 150, sequences=True),
}


def generated() -> np.ndarray:
    """Return the course's main series: 1,461 days of trend, yearly pattern and noise, float32 as in the course."""
    days = np.arange(4 * 365 + 1, dtype="float32")
    year = (days % 365) / 365
    series = 10 + days * 0.05 + 40 * np.where(year < 0.4, np.cos(year * 2 * np.pi), 1 / np.exp(3 * year))
    series += np.random.RandomState(42).randn(len(days)) * 5
    return series


def windowed_dataset(series: np.ndarray, window: int, batch: int, sequences: bool = False) -> tf.data.Dataset:
    """Return the course's input pipeline: one small dataset for each window, shuffled in a buffer.

    Yields (batch, window) histories and (batch,) targets, or both as (batch, window, 1) with `sequences`.
    """
    values = series[:, np.newaxis] if sequences else series
    windows = tf.data.Dataset.from_tensor_slices(values).window(window + 1, shift=1, drop_remainder=True)
    windows = windows.flat_map(lambda one: one.batch(window + 1)).shuffle(SHUFFLE)
    return windows.map(lambda one: (one[:-1], one[1:] if sequences else one[-1])).batch(batch).prefetch(1)


def forecasts(model: keras.Model, row: Row, series: np.ndarray, split: int) -> np.ndarray:
    """Return the forecast of each value after the split from the window before it."""
    histories = np.lib.stride_tricks.sliding_window_view(series[split - row.window : -1], row.window)
    if row.sequences:
        return model.predict(histories[..., np.newaxis], batch_size=256, verbose=0)[:, -1, 0]
    return model.predict(histories, batch_size=256, verbose=0)[:, 0]


def run(row: Row, series: np.ndarray, epochs: int) -> dict[str, float]:
    """Train the network of a row; return its test errors and the seconds of training."""
    split = SPLITS[row.series]
    model = keras.Sequential([keras.Input((row.window, 1) if row.sequences else (row.window,)), *row.network()])
    model.compile(loss=row.loss, optimizer=keras.optimizers.SGD(row.rate, momentum=MOMENTUM))
    started = time.perf_counter()
    model.fit(windowed_dataset(series[:split], row.window, row.batch, row.sequences), epochs=epochs, verbose=0)
    seconds = time.perf_counter() - started
    errors = forecasts(model, row, series, split) - series[split:]
    return {
        "mae": float(np.abs(errors).mean()),
        "mse": float(np.square(errors).mean()),
        "seconds": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", choices=ROWS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="default: those of the course")
    first = os.environ.get("GRISTMILL_DATA", "").split(os.pathsep)[0]
    parser.add_argument("--data", type=Path, default=Path(first), help="folder of the course's files")
    options = parser.parse_args()

    row = ROWS[options.row]
    epochs = options.epochs or row.epochs
    file = options.data / row.series
    if row.series != GENERATED and not file.is_file():
        parser.error(f"found no file {file}. Set --data or GRISTMILL_DATA to its folder.")

    keras.utils.set_random_seed(options.seed)
    series = generated() if row.series == GENERATED else pd.read_csv(file).iloc[:, -1].to_numpy("float32")
    errors = run(row, series, epochs)
    print(json.dumps({"row": options.row, "seed": options.seed, "epochs": epochs} | errors), flush=True)


if __name__ == "__main__":
    main()

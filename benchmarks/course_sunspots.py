"""The course's week-4 sunspot network by the course's own recipe, as the opponent in `benchmarks/sunspots.py`.

Written afresh from the published settings: `window().flat_map()` batches of 32, sequence-to-sequence
targets, raw values in, `x 400` out, SGD 1e-5 with momentum .9, Huber loss, 500 epochs, no validation part.
The one change: `Rescaling(400)` stands for the course's Lambda layer, which saves but cannot be loaded.
"""

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

SPLIT, WINDOW, BATCH, SHUFFLE = 3000, 60, 32, 1000


def windowed_dataset(series: np.ndarray) -> tf.data.Dataset:
    """The course's input pipeline: one small dataset a window, shuffled in a buffer."""
    windows = tf.data.Dataset.from_tensor_slices(series[:, np.newaxis]).window(WINDOW + 1, shift=1, drop_remainder=True)
    windows = windows.flat_map(lambda window: window.batch(WINDOW + 1)).shuffle(SHUFFLE)
    return windows.map(lambda window: (window[:-1], window[1:])).batch(BATCH).prefetch(1)


def network() -> keras.Model:
    """Conv1D 60 (kernel 5, causal), two LSTM of 60, dense 30, 10, 1, times 400, at every step."""
    return keras.Sequential(
        [
            keras.Input((None, 1)),
            keras.layers.Conv1D(60, 5, padding="causal", activation="relu"),
            keras.layers.LSTM(60, return_sequences=True),
            keras.layers.LSTM(60, return_sequences=True),
            keras.layers.Dense(30, activation="relu"),
            keras.layers.Dense(10, activation="relu"),
            keras.layers.Dense(1),
            keras.layers.Rescaling(400.0),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", help="the course's sunspot file: date and value in columns 2 and 3")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=500)
    options = parser.parse_args()

    keras.utils.set_random_seed(options.seed)
    series = pd.read_csv(options.csv).iloc[:, -1].to_numpy("float32")
    model = network()
    model.compile(loss=keras.losses.Huber(), optimizer=keras.optimizers.SGD(1e-5, momentum=0.9))
    started = time.perf_counter()
    model.fit(windowed_dataset(series[:SPLIT]), epochs=options.epochs, verbose=0)
    seconds = time.perf_counter() - started

    histories = np.lib.stride_tricks.sliding_window_view(series[SPLIT - WINDOW : -1], WINDOW)  # (targets, window)
    forecast = model.predict(histories[..., np.newaxis], batch_size=256, verbose=0)[:, -1, 0]
    mae = float(np.abs(forecast - series[SPLIT:]).mean())
    print(
        json.dumps({"seed": options.seed, "epochs": options.epochs, "mae": mae, "seconds": round(seconds, 1)}),
        flush=True,
    )


if __name__ == "__main__":
    main()

"""The catalogue's image classifiers beside the course's own code, on the same images, seed by seed in turn.

    benchmarks/vision.py DATA_DIR NAME...      DATA_DIR of TensorFlow Datasets; NAME: fashion_dense, fashion_cnn

The course's code is written afresh from its published settings: images divided by 255 in memory, Keras' `fit` with its
defaults (Adam, batches of 32), five epochs. Seconds are of training alone, without reading the images.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow_datasets as tfds
from timeseries import SEEDS, run

EPOCHS = 5


def dense() -> list[keras.Layer]:
    return [keras.layers.Flatten(), keras.layers.Dense(128, activation="relu")]


def cnn() -> list[keras.Layer]:
    return [
        keras.layers.Conv2D(64, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(64, 3, activation="relu"),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
    ]


OPPONENTS: dict[str, Callable[[], list[keras.Layer]]] = {"fashion_dense": dense, "fashion_cnn": cnn}


def images(data_dir: str) -> tuple[Any, Any]:
    """Return training and test part: pixels and labels."""
    loaded = tfds.load("fashion_mnist", data_dir=data_dir, download=False, batch_size=-1, split=["train", "test"])
    return tuple((part["image"].numpy() / 255.0, part["label"].numpy()) for part in loaded)


def course(layers: Callable[[], list[keras.Layer]], seed: int, train: Any, test: Any) -> tuple[float, float]:
    """Return the accuracy on the test part and the seconds of training of the course's network."""
    keras.utils.set_random_seed(seed)
    network = keras.Sequential([keras.Input((28, 28, 1)), *layers(), keras.layers.Dense(10, activation="softmax")])
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    began = time.perf_counter()
    network.fit(*train, epochs=EPOCHS, verbose=0)
    seconds = time.perf_counter() - began
    return float(network.evaluate(*test, verbose=0)[1]), seconds


def gristmill(name: str, seed: int, store: str) -> tuple[float, float]:
    """Return the accuracy on the test part and the seconds of the stage train."""
    found = run(store, name, f"train.seed={seed}")
    return found["scores"]["model"]["test"]["accuracy"], found["stages"]["train"]["seconds"]


def main(data_dir: str, names: list[str]) -> None:
    os.environ["TFDS_DATA_DIR"] = data_dir
    train, test = images(data_dir)
    print("| pipeline | accuracy by seed | mean | train s | course's code by seed | mean | train s |")
    print("|---|---|---:|---:|---|---:|---:|")
    with tempfile.TemporaryDirectory() as store:
        for name in names:
            rounds = [(gristmill(name, seed, store), course(OPPONENTS[name], seed, train, test)) for seed in SEEDS]
            cells = []
            for side in zip(*rounds, strict=True):
                accuracies, seconds = np.array(side).T
                cells += [" ".join(f"{value:.4f}" for value in accuracies), f"{accuracies.mean():.4f}"]
                cells.append(f"{statistics.mean(seconds):.1f}")
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

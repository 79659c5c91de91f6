"""The course's image classifiers, rewritten from its published settings, for `classifiers.py`.

They read arrays divided by 255 (Fashion-MNIST and MNIST), or folders of photos with Keras' legacy
`ImageDataGenerator`.
"""

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow_datasets as tfds
from images import AUGMENTATION, Generator, write_photos

Made = tuple[float | None, float, float]  # training accuracy, if it was measured; test accuracy; seconds of training
Batches = tuple[Any, ...]  # arrays of inputs and labels, or one generator of batches
Layers = list[keras.Layer]


def mobilenet() -> Layers:
    """Return the course's head for transfer learning, on MobileNet instead of Inception, whose weights were missing."""
    base = keras.applications.MobileNet(input_shape=(150, 150, 3), include_top=False, weights=None)
    base.load_weights(next(Path(place, WEIGHTS) for place in places() if Path(place, WEIGHTS).exists()))
    base.trainable = False
    cut = keras.Model(base.inputs, base.get_layer("conv_pw_12_relu").output)
    head = [keras.layers.Flatten(), keras.layers.Dense(1024, activation="relu"), keras.layers.Dropout(0.2)]
    return [cut, *head]


def places() -> list[str]:
    """Return the folders of the data."""
    return os.environ["GRISTMILL_DATA"].split(os.pathsep)


def dense() -> Layers:
    return [keras.layers.Flatten(), keras.layers.Dense(128, activation="relu")]


def convolutions(filters: list[int], units: int, dropout: float = 0.0) -> Layers:
    pairs = [(keras.layers.Conv2D(count, 3, activation="relu"), keras.layers.MaxPooling2D()) for count in filters]
    dropped = [keras.layers.Dropout(dropout)] if dropout else []
    flat = [keras.layers.Flatten(), *dropped, keras.layers.Dense(units, activation="relu")]
    return [*(layer for pair in pairs for layer in pair), *flat]


@dataclass(frozen=True)
class OnArrays:
    """The course's network for arrays of 28 x 28 pixels."""

    data: str
    layers: Callable[[], Layers]
    stop_accuracy: float | None = None  # training accuracy that ends the training


@dataclass(frozen=True)
class OnPhotos:
    """The course's network for folders of photos."""

    layers: Callable[[], Layers]
    augmentation: dict[str, Any] = field(default_factory=dict)
    data: str = "cats_vs_dogs"
    splits: tuple[str, str] = ("train[:2000]", "train[2000:3000]")  # training and test set
    side: int = 150  # pixels
    batch: int = 20
    rate: float = 1e-4  # of RMSprop
    classes: int = 2


WEIGHTS = "mobilenet_1_0_224_notop.weights.h5"
CATS = [32, 64, 128, 128]
ORIGINAL = ("train", "test")
ARRAYS = {
    "fashion_dense": OnArrays("fashion_mnist", dense),
    "fashion_cnn": OnArrays("fashion_mnist", lambda: convolutions([64, 64], 128)),
    "mnist": OnArrays("mnist", lambda: convolutions([32], 128), stop_accuracy=0.998),
}
PHOTOS = {
    "cats_dogs": OnPhotos(lambda: convolutions(CATS, 512)),
    "cats_dogs_augmented": OnPhotos(lambda: convolutions(CATS, 512), AUGMENTATION),
    "cats_dogs_dropout": OnPhotos(lambda: convolutions(CATS, 512, 0.5), AUGMENTATION),
    "cats_dogs_transfer": OnPhotos(mobilenet, AUGMENTATION),
    "horses_or_humans": OnPhotos(
        lambda: convolutions([16, 32, 64, 64, 64], 512),
        data="horses_or_humans",
        splits=ORIGINAL,
        side=300,
        batch=128,
        rate=1e-3,
    ),
    "rock_paper_scissors": OnPhotos(
        lambda: convolutions([64, 64, 128, 128], 512, 0.5),
        AUGMENTATION,
        data="rock_paper_scissors",
        splits=ORIGINAL,
        side=75,  # as in course.toml
        batch=32,
        rate=1e-3,
        classes=3,
    ),
}


class _StopAtAccuracy(keras.callbacks.Callback):
    """End the training after the epoch whose training accuracy passes a threshold, as the course does."""

    def __init__(self, accuracy: float) -> None:
        super().__init__()
        self._accuracy = accuracy

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.stop_training = (logs or {})["accuracy"] > self._accuracy


def trained(
    network: keras.Model,
    learned: Batches,
    test: Batches,
    epochs: int,
    seen: Batches | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Made:
    """Train a compiled network; score it on the test set and, if `seen` is given, on the training set."""
    began = time.perf_counter()
    network.fit(*learned, epochs=epochs, verbose=0, callbacks=[*callbacks])
    seconds = time.perf_counter() - began
    on_seen = network.evaluate(*seen, verbose=0)[1] if seen else None
    return on_seen, network.evaluate(*test, verbose=0)[1], seconds


def arrays(name: str, seed: int, epochs: int, data_dir: Path, gap: bool = True) -> Made:
    """Train the course's network on Fashion-MNIST or MNIST."""
    row = ARRAYS[name]
    loaded = tfds.load(row.data, data_dir=data_dir, download=False, batch_size=-1, split=["train", "test"])
    train, test = ((part["image"].numpy() / 255.0, part["label"].numpy()) for part in loaded)
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((28, 28, 1)), *row.layers(), keras.layers.Dense(10, activation="softmax")]
    network = keras.Sequential(layers)
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = [] if row.stop_accuracy is None else [_StopAtAccuracy(row.stop_accuracy)]
    return trained(network, train, test, epochs, train if gap else None, stop)


def photos(name: str, seed: int, epochs: int, data_dir: Path, gap: bool = True) -> Made:
    """Train the course's network on photos, one folder for each class, and test it on others."""
    row = PHOTOS[name]
    two = row.classes == 2
    with tempfile.TemporaryDirectory() as folder:
        train, test = Path(folder, "train"), Path(folder, "test")
        for part, split in zip((train, test), row.splits, strict=True):
            write_photos(data_dir, part, split, row.data)
        how = {
            "target_size": (row.side, row.side),
            "batch_size": row.batch,
            "class_mode": "binary" if two else "categorical",
        }
        keras.utils.set_random_seed(seed)
        learned = Generator(rescale=1 / 255, **row.augmentation).flow_from_directory(train, seed=seed, **how)
        plain = Generator(rescale=1 / 255)
        seen, unseen = (plain.flow_from_directory(part, shuffle=False, **how) for part in (train, test))
        output = keras.layers.Dense(1, activation="sigmoid") if two else keras.layers.Dense(row.classes, "softmax")
        network = keras.Sequential([keras.Input((row.side, row.side, 3)), *row.layers(), output])
        loss = "binary_crossentropy" if two else "categorical_crossentropy"
        network.compile(optimizer=keras.optimizers.RMSprop(row.rate), loss=loss, metrics=["accuracy"])
        return trained(network, (learned,), (unseen,), epochs, (seen,) if gap else None)

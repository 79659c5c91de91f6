"""The course's image classifiers, rewritten from its published settings, for `classifiers.py`.

They read arrays divided by 255 (Fashion-MNIST), or folders of photos with Keras' legacy `ImageDataGenerator` (cats and
dogs).
"""

import os
import tempfile
import time
from collections.abc import Callable
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
class Course:
    """The course's network for one pipeline, and its augmentation."""

    layers: Callable[[], Layers]
    augmentation: dict[str, Any] = field(default_factory=dict)


WEIGHTS = "mobilenet_1_0_224_notop.weights.h5"
CATS = [32, 64, 128, 128]
FASHION = {"fashion_dense": Course(dense), "fashion_cnn": Course(lambda: convolutions([64, 64], 128))}
PHOTOS = {
    "cats_dogs": Course(lambda: convolutions(CATS, 512)),
    "cats_dogs_augmented": Course(lambda: convolutions(CATS, 512), AUGMENTATION),
    "cats_dogs_dropout": Course(lambda: convolutions(CATS, 512, 0.5), AUGMENTATION),
    "cats_dogs_transfer": Course(mobilenet, AUGMENTATION),
}


def trained(network: keras.Model, learned: Batches, test: Batches, epochs: int, seen: Batches | None = None) -> Made:
    """Train a compiled network; score it on the test set and, if `seen` is given, on the training set."""
    began = time.perf_counter()
    network.fit(*learned, epochs=epochs, verbose=0)
    seconds = time.perf_counter() - began
    on_seen = network.evaluate(*seen, verbose=0)[1] if seen else None
    return on_seen, network.evaluate(*test, verbose=0)[1], seconds


def fashion(name: str, seed: int, epochs: int, data_dir: Path, gap: bool = True) -> Made:
    """Train the course's network on Fashion-MNIST."""
    loaded = tfds.load("fashion_mnist", data_dir=data_dir, download=False, batch_size=-1, split=["train", "test"])
    train, test = ((part["image"].numpy() / 255.0, part["label"].numpy()) for part in loaded)
    keras.utils.set_random_seed(seed)
    layers = [keras.Input((28, 28, 1)), *FASHION[name].layers(), keras.layers.Dense(10, activation="softmax")]
    network = keras.Sequential(layers)
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return trained(network, train, test, epochs, train if gap else None)


def photos(name: str, seed: int, epochs: int, data_dir: Path, gap: bool = True) -> Made:
    """Train the course's network on 2,000 photos of cats and dogs and test it on 1,000, one folder for each class."""
    row = PHOTOS[name]
    with tempfile.TemporaryDirectory() as folder:
        train, test = Path(folder, "train"), Path(folder, "test")
        write_photos(data_dir, train, "train[:2000]")
        write_photos(data_dir, test, "train[2000:3000]")
        how = {"target_size": (150, 150), "batch_size": 20, "class_mode": "binary"}
        keras.utils.set_random_seed(seed)
        learned = Generator(rescale=1 / 255, **row.augmentation).flow_from_directory(train, seed=seed, **how)
        plain = Generator(rescale=1 / 255)
        seen, unseen = (plain.flow_from_directory(part, shuffle=False, **how) for part in (train, test))
        layers = [keras.Input((150, 150, 3)), *row.layers(), keras.layers.Dense(1, activation="sigmoid")]
        network = keras.Sequential(layers)
        optimizer = keras.optimizers.RMSprop(1e-4)
        network.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
        return trained(network, (learned,), (unseen,), epochs, (seen,) if gap else None)

"""Small judged runs, as a pytest plugin: pictures of two or three classes, a network of random weights, its evaluation.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.common.classification.settings import Evaluate
from gristmill.domains.vision import shards
from gristmill.domains.vision.dataset import Layout, Pixels, Prepared, read, write_layout
from gristmill.util.table_io import write_document, write_table
from helpers.eager import eagerly
from helpers.few_folds import few_folds

if TYPE_CHECKING:
    import keras

Folders = dict[str, Path]

HEIGHT, WIDTH = 12, 10


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A run up to evaluate: three classes in grey, all parts, a network with two convolutions, a slice."""
    root = tmp_path_factory.mktemp("judged")
    layout = Layout(HEIGHT, WIDTH, 1, "raw", "stretch", ["ball", "cup", "tree"], {})
    data = write_pictures(root, layout, {"train": 60, "validation": 20, "test": 40})
    return run(root, data, convolving(data), Evaluate(slices=("camera",)))


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A run up to evaluate: two classes in colour, no validation set, a network without convolutions, no slice."""
    root = tmp_path_factory.mktemp("binary")
    layout = Layout(HEIGHT, WIDTH, 3, "raw", "stretch", ["cat", "dog"], {})
    data = write_pictures(root, layout, {"train": 60, "test": 40})
    return run(root, data, dense(data), Evaluate())


def write_pictures(root: Path, layout: Layout, counts: dict[str, int]) -> Prepared:
    """Write what ingest and preprocess leave below `root`: noise with a bright bar whose height tells the class."""
    for stage in ("ingest", "preprocess"):
        (root / stage).mkdir()
    rows: list[dict[str, Any]] = []
    generator = np.random.default_rng(0)
    for part, count in counts.items():
        pixels, labels = pictures(count, layout, generator)
        write_shards(root / "preprocess", part, pixels, labels)
        for number, label in enumerate(labels):
            camera = ["old", "new", None][number % 3]
            rows.append({"id": f"{part}/{number:03}", "label": label, "part": part, "camera": camera})
    write_table(root / "preprocess" / "index.parquet", pd.DataFrame(rows))
    layout = replace(layout, counts={part: counts.get(part, 0) for part in PARTS})
    write_layout(layout, root / "preprocess")
    write_document(root / "preprocess" / "summary.json", {"repeated": [], "copies": {"count": 0}})
    write_document(root / "ingest" / "summary.json", {"skipped": [{"id": "x.jpg", "reason": "the file is empty"}]})
    return read(root / "preprocess")


def pictures(count: int, layout: Layout, generator: np.random.Generator) -> tuple[Pixels, list[int]]:
    """Return pictures (count, height, width, channels) and their labels, the first class more often than others."""
    labels = [number % (len(layout.classes) + 1) % len(layout.classes) for number in range(count)]
    pixels = generator.integers(0, 160, (count, layout.height, layout.width, layout.channels), np.uint8)
    for picture, label in zip(pixels, labels, strict=True):
        picture[4 * label : 4 * label + 2] += 90
    return pixels, labels


def write_shards(folder: Path, part: str, pixels: Pixels, labels: Sequence[int]) -> None:
    """Write a part as two shards."""
    examples = [
        shards.serialise(image=image.tobytes(), label=label) for image, label in zip(pixels, labels, strict=True)
    ]
    half = len(examples) // 2
    shards.write_shard(folder / f"{part}-00000-of-00002.tfrecord", examples[:half])
    shards.write_shard(folder / f"{part}-00001-of-00002.tfrecord", examples[half:])


def run(root: Path, data: Prepared, network: "keras.Model", settings: Evaluate) -> Folders:
    """Write what train leaves below `root`, evaluate, and return the folders of all stages."""
    from gristmill.domains.common.classification.held_out import learning_set, write_held_out
    from gristmill.domains.vision.evaluate import evaluate
    from gristmill.domains.vision.image_classifier import probabilities_of
    from gristmill.training import saved_network

    folders = {stage: root / stage for stage in ("ingest", "preprocess", "train", "evaluate")}
    folders["train"].mkdir()
    folders["evaluate"].mkdir()
    saved_network.write(network, folders["train"])
    epochs = {"epoch": [1, 2], "loss": [1.0, 0.5], "accuracy": [0.5, 0.75], "rate": [0.1, 0.1]}
    write_table(folders["train"] / "epochs.parquet", pd.DataFrame(epochs))
    held_out = probabilities_of(network, data, "validation")
    write_held_out(data, learning_set(data).validation, held_out, folders["train"])
    ended = {"best_epoch": 2, "epochs": 2, "stopped_early": False, "learning_rate": 0.1}
    write_document(folders["train"] / "training.json", ended)
    if data.rows("validation").size:
        np.save(folders["train"] / "samples.npy", data.pixels("train")[:12].reshape(3, 4, HEIGHT, WIDTH, -1))
    with eagerly(), few_folds():
        evaluate(evaluate=settings, preprocess=folders["preprocess"], train=folders["train"], out=folders["evaluate"])
    return folders


def convolving(data: Prepared) -> "keras.Model":
    """Return a network as train publishes it: one of its own within one from bytes to probabilities."""
    import keras

    keras.utils.set_random_seed(1)
    layout = data.layout
    inner = keras.Sequential(
        [
            keras.Input((layout.height, layout.width, layout.channels)),
            keras.layers.Rescaling(1 / 127.5, offset=-1),
            keras.layers.Conv2D(3, 3, activation="tanh", name="first"),
            keras.layers.Conv2D(5, 3, activation="tanh", name="second"),
            keras.layers.Flatten(),
            keras.layers.Dense(len(layout.classes)),
        ],
        name="inner",
    )
    image = keras.Input((layout.height, layout.width, layout.channels), dtype="uint8")
    return keras.Model(image, keras.layers.Softmax()(inner(keras.layers.Rescaling(1.0)(image))))


def dense(data: Prepared) -> "keras.Model":
    """Return a network without convolutions, as train publishes it."""
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((data.layout.height, data.layout.width, data.layout.channels), dtype="uint8")
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 127.5, offset=-1)(image))
    return keras.Model(image, keras.layers.Dense(len(data.layout.classes), activation="softmax")(features))

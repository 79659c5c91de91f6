"""What tests of a classifier's bundle share, as a pytest plugin: the folders of a run up to evaluate, and its bundle.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.vision.dataset import Layout, Pixels, read, write_layout
from gristmill.domains.vision.settings import Export
from gristmill.scores import MODEL
from gristmill.util.table_io import write_document, write_table
from helpers.small_photos import photo
from helpers.support import SCORES_OF_CLASSES

if TYPE_CHECKING:
    import keras

Folders = dict[str, Path]

CLASSES = ["ball", "cup", "tree"]
LAYOUT = Layout(16, 20, 3, "raw", "pad", CLASSES, {"train": 0, "validation": 0, "test": 12})


@pytest.fixture(scope="session")
def photos() -> list[bytes]:
    """Twelve JPEG photos, the classes taking turns."""
    generator = np.random.default_rng(0)
    return [photo(number % 3, 3, generator) for number in range(12)]


@pytest.fixture(scope="session")
def classified(tmp_path_factory: pytest.TempPathFactory, photos: list[bytes]) -> Folders:
    """The folders of a run up to evaluate: 12 test photos, and a network of random weights as train publishes it."""
    from gristmill.domains.common.classification.decision import MOST_PROBABLE
    from gristmill.domains.common.classification.predictions import prediction_rows
    from gristmill.domains.vision import decode
    from gristmill.domains.vision.image_classifier import probabilities_of
    from gristmill.training import saved_network

    root = tmp_path_factory.mktemp("classified")
    folders = {stage: root / stage for stage in ("preprocess", "train", "evaluate")}
    for folder in folders.values():
        folder.mkdir()
    write_prepared(folders["preprocess"], np.stack([decode.decode_photo(encoded, LAYOUT) for encoded in photos]))
    data, network = read(folders["preprocess"]), small_network()
    saved_network.write(network, folders["train"])
    rows = prediction_rows(data, "test", {MODEL: probabilities_of(network, data, "test")}, {MODEL: MOST_PROBABLE})
    write_table(folders["evaluate"] / "predictions.parquet", rows)
    write_document(folders["evaluate"] / "scores.json", SCORES_OF_CLASSES)
    return folders


@pytest.fixture(scope="session")
def bundled(classified: Folders, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The same with its bundle in all formats, each proved equal in a fresh process."""
    from gristmill.domains.vision.export import export

    out = tmp_path_factory.mktemp("export")
    export(export=Export(formats=("keras", "saved_model", "lite", "onnx")), **classified, out=out)
    return classified | {"export": out}


def write_prepared(folder: Path, pixels: Pixels) -> None:
    """Write pixels as preprocess writes a test set; the classes take turns."""
    from gristmill.domains.vision import shards

    labels = [number % 3 for number in range(len(pixels))]
    examples = (
        shards.serialise(image=image.tobytes(), label=label) for image, label in zip(pixels, labels, strict=True)
    )
    shards.write_shard(folder / "test-00000-of-00001.tfrecord", examples)
    ids = [f"{number:02}.jpg" for number in range(len(pixels))]
    write_table(folder / "index.parquet", pd.DataFrame({"id": ids, "label": labels, "part": "test"}))
    write_layout(LAYOUT, folder)


def small_network() -> "keras.Model":
    """Return a network as train publishes it, with weights that tell photos apart: the same each time."""
    from gristmill.training.seeds import seeded

    return seeded(_network, 0)


def _network() -> "keras.Model":
    import keras

    image = keras.Input((LAYOUT.height, LAYOUT.width, LAYOUT.channels), dtype="uint8", name="image")
    features = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)  # about zero, so that no class always wins
    features = keras.layers.Conv2D(4, 3, activation="tanh")(features)
    features = keras.layers.Flatten()(features)
    return keras.Model(image, keras.layers.Dense(len(CLASSES), activation="softmax")(features))

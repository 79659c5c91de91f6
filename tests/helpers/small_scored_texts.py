"""Small judged runs on texts, as a pytest plugin: made-up opinions, a network of random weights, its evaluation.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.text import dataset
from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.settings import Evaluate, Preprocess
from gristmill.util.table_io import write_document, write_table
from helpers.eager import eagerly
from helpers.few_folds import few_folds

if TYPE_CHECKING:
    import keras

Folders = dict[str, Path]

STAGES = ("ingest", "preprocess", "train", "evaluate")
TELLING = (("awful", "dull"), ("fair", "so"), ("great", "lovely"))  # words of each class
FILLING = ("film", "plot", "scene", "actor", "the", "a")
NEIGHBOURS = ("Film", "dull")


@pytest.fixture(scope="session")
def opinions(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A run up to evaluate: three classes, all parts, an embedding, a slice, words to look up."""
    folders = folders_below(tmp_path_factory.mktemp("opinions"))
    write_texts(folders, ["bad", "fair", "good"], {"train": 60, "validation": 20, "test": 40})
    data = dataset.read(folders["preprocess"])
    return judge(folders, embedding(data), Evaluate(slices=("shop",), neighbours=NEIGHBOURS))


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A run up to evaluate: two classes, no validation set, an own network without an embedding, no slice."""
    folders = folders_below(tmp_path_factory.mktemp("verdicts"))
    write_texts(folders, ["bad", "good"], {"train": 60, "test": 40})
    return judge(folders, counting(dataset.read(folders["preprocess"])), Evaluate())


def folders_below(root: Path) -> Folders:
    """Return an empty folder a stage."""
    folders = {stage: root / stage for stage in STAGES}
    for folder in folders.values():
        folder.mkdir()
    return folders


def write_texts(folders: Folders, classes: list[str], counts: dict[str, int]) -> None:
    """Write what ingest and preprocess leave: texts of 2 to 11 words, a word or two of which tell the class."""
    from gristmill.domains.text.preprocess import preprocess

    random = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for part, count in counts.items():
        for number in range(count):
            label = number % (len(classes) + 1) % len(classes)
            telling = random.choice(TELLING[label if len(classes) > 2 else 2 * label], 1)
            text = " ".join(random.permutation([*telling, *random.choice(FILLING, 1 + number % 10)]))
            shop = ["old", "new", None][number % 3]
            rows.append({"id": f"{part}/{number:03}", "text": text, "label": label, "part": part, "shop": shop})
    frame = pd.DataFrame(rows)
    write_table(folders["ingest"] / "texts.parquet", frame.iloc[::-1])  # in another order than the index
    write_document(folders["ingest"] / "summary.json", {"classes": classes, "dropped": 0})
    settings = Preprocess(length=8, validation=counts.get("validation", 0))
    preprocess(preprocess=settings, ingest=folders["ingest"], out=folders["preprocess"])


def judge(folders: Folders, network: "keras.Model", settings: Evaluate) -> Folders:
    """Write what train leaves, evaluate, and return the folders."""
    from gristmill.domains.common.classification.held_out import learning_set, write_held_out
    from gristmill.domains.text.evaluate import evaluate
    from gristmill.domains.text.text_classifier import Padding, TextClassifier
    from gristmill.domains.text.train import probabilities_of

    data, train = dataset.read(folders["preprocess"]), folders["train"]
    TextClassifier.of(data.tokenizer(), Padding(data.layout.length), network).write(train)
    write_held_out(data, learning_set(data).validation, probabilities_of(network, data, "validation"), train)
    epochs = {"epoch": [1, 2], "loss": [1.0, 0.5], "accuracy": [0.5, 0.75], "rate": [0.1, 0.1]}
    write_table(folders["train"] / "epochs.parquet", pd.DataFrame(epochs))
    ended = {"best_epoch": 2, "epochs": 2, "stopped_early": False, "learning_rate": 0.1}
    write_document(folders["train"] / "training.json", ended)
    inputs = {stage: folders[stage] for stage in ("ingest", "preprocess", "train")}
    with eagerly(), few_folds():
        evaluate(evaluate=settings, **inputs, out=folders["evaluate"])
    return folders


def embedding(data: Prepared) -> "keras.Model":
    """Return an embedding network of random weights, as train publishes it: it takes texts of any length."""
    import keras

    from gristmill.domains.text.models import Shape
    from gristmill.domains.text.models.embedding import Embedding
    from gristmill.domains.text.train import with_probabilities

    keras.utils.set_random_seed(1)
    shape = Shape(data.layout.vocabulary, data.layout.length, len(data.classes))
    network = Embedding(kind="embedding", dimensions=4).build(shape)
    network.set_weights([5 * weights for weights in network.get_weights()])  # so that no class always wins
    return with_probabilities(network)


def counting(data: Prepared) -> "keras.Model":
    """Return a network without an embedding, for texts of one length, as train publishes it."""
    import keras

    keras.utils.set_random_seed(1)
    tokens = keras.Input((data.layout.length,), dtype="int32")
    counts = keras.layers.CategoryEncoding(data.layout.vocabulary, "multi_hot")(tokens)
    return keras.Model(tokens, keras.layers.Dense(len(data.classes), activation="softmax")(counts))

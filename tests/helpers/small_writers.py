"""Small runs up to evaluate, as a pytest plugin: a short text, a network of random weights, its evaluation.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.generation import dataset
from gristmill.domains.generation.dataset import PARTS, Layout
from gristmill.domains.generation.settings import Evaluate, Preprocess
from gristmill.util.table_io import write_document, write_table
from helpers.eager import eagerly

if TYPE_CHECKING:
    import keras

Folders = dict[str, Path]
Build = Callable[[Layout], "keras.Model"]

LINES = ["the cat sat.", "a dog ran off.", "the dog sat.", "a cat ran on."]
TEXT = "\n".join(LINES * 12) + "\n"
LENGTH = 8
EVALUATE = Evaluate(order=2, temperatures=(0.5, 1.0), sample=12, seed=3)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A run on characters, windows of a stream, by a recurrent network."""
    judged = EVALUATE.model_copy(update={"order": 4})
    return run(tmp_path_factory.mktemp("characters"), Preprocess(length=LENGTH), judged, recurrent)


@pytest.fixture(scope="session")
def in_lines(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A run on words, the beginnings of lines, with words in the test set that training has not."""
    settings = Preprocess(level="word", lower=True, punctuation="strip", examples="prefixes", length=LENGTH)
    with eagerly():
        return run(tmp_path_factory.mktemp("words"), settings, EVALUATE)


def convolution(layout: Layout) -> "keras.Model":
    """Return a network that sees a whole window, and is traced in a third of the time of a recurrent one."""
    from keras import Input, Model, layers

    tokens = Input((None,), dtype="int32", name="tokens")
    table = layers.Embedding(layout.vocabulary, 4)
    seen = layers.Conv1D(6, layout.length, padding="causal")(table(tokens))
    logits = layers.Dense(layout.vocabulary)(seen if layout.after_each else seen[:, -1])
    table.set_weights([np.vstack([np.zeros(4), *table.get_weights()[0][1:]])])  # padding changes nothing
    return Model(tokens, logits)


def recurrent(layout: Layout) -> "keras.Model":
    """Return a network that is served one token at a time."""
    from gristmill.domains.generation.models import Shape
    from gristmill.domains.generation.models.recurrent import Gru

    shape = Shape(layout.vocabulary, layout.length, layout.after_each)
    return Gru(kind="gru", dimensions=4, recurrent=(6,)).build(shape)


def run(root: Path, settings: Preprocess, judged: Evaluate, build: Build = convolution) -> Folders:
    """Write what the stages up to train leave below `root`, evaluate, and return all folders."""
    from gristmill.domains.generation.evaluate import evaluate

    folders = {stage: root / stage for stage in ("ingest", "preprocess", "train", "evaluate")}
    for folder in folders.values():
        folder.mkdir()
    write_document(folders["ingest"] / "summary.json", {"counts": {"documents": 1, "characters": len(TEXT)}})
    write_prepared(folders["preprocess"], settings)
    write_network(folders, build)
    epochs = {"epoch": [1, 2], "loss": [1.0, 0.5], "accuracy": [0.5, 0.75], "rate": [0.1, 0.1]}
    write_table(folders["train"] / "epochs.parquet", pd.DataFrame(epochs))
    ended = {"best_epoch": 2, "epochs": 2, "stopped_early": False, "learning_rate": 0.1}
    write_document(folders["train"] / "training.json", ended)
    evaluate(evaluate=judged, preprocess=folders["preprocess"], train=folders["train"], out=folders["evaluate"])
    return folders


def write_prepared(folder: Path, settings: Preprocess) -> Layout:
    """Write tokens of the text as preprocess does: three quarters to train on, an eighth for each other part."""
    from gristmill.domains.text import tokenizer

    every = settings.examples == "windows"
    lines = [f"{line} mouse" if number > 42 and not every else line for number, line in enumerate(LINES * 12)]
    cuts = [0, 36, 42, 48]
    texts = [lines[begin:end] for begin, end in pairwise(cuts)]
    made = tokenizer.fit(texts[0] if not every else ["\n".join(texts[0]) + "\n"], settings, lines=every)
    tokenizer.write(made, folder)
    joined = [["\n".join(part) + "\n"] for part in texts] if every else texts
    found = [tokenizer.encode_texts(made, part) for part in joined]
    counts = [len(part.values) if every else len(part) for part in found]
    ends = np.cumsum([0, *counts]).tolist()
    dataset.write_tokens(np.concatenate([part.values for part in found]), folder)
    unknown = {part: float((one.values == 1).mean()) for part, one in zip(PARTS, found, strict=True)}
    write_document(folder / "summary.json", {"unknown": unknown})
    if not every:
        starts = np.concatenate([[0], np.cumsum(np.concatenate([part.lengths for part in found]))])
        np.save(folder / "starts.npy", starts, allow_pickle=False)
    layout = Layout(
        settings.level,
        len(made.tokens),
        settings.examples,
        settings.length,
        dict(zip(PARTS, pairwise(ends), strict=True)),
        {part: len(one.values) for part, one in zip(PARTS, found, strict=True)},
        {part: sum(map(len, one)) for part, one in zip(PARTS, joined, strict=True)},
    )
    dataset.write_layout(layout, folder)
    vocabulary = pd.DataFrame({"token": made.tokens, "count": np.arange(len(made.tokens))[::-1]})
    write_table(folder / "vocabulary.parquet", vocabulary)
    return layout


def write_network(folders: Folders, build: Build = convolution) -> None:
    """Write a network of random weights, and its outcomes of the validation set, as train does.

    The weights are large enough that what the network tells differs from token to token.
    """
    import keras

    from gristmill.domains.generation.predictions import score_tokens
    from gristmill.training import saved_network

    data = dataset.read(folders["preprocess"])
    keras.utils.set_random_seed(5)
    made = build(data.layout)
    for variable in made.trainable_variables:
        variable.assign(3 * variable)
    saved_network.write(made, folders["train"])
    score_tokens(made, data, data.token_stream(), "validation").write_validation(folders["train"])

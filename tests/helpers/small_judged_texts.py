"""What tests of a text classifier's bundle share, as a pytest plugin: the folders of a run up to evaluate, its bundle.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from gristmill.domains.common.classification.labelled import PARTS
from gristmill.domains.text.dataset import Layout, Prepared, read, write_layout, write_tokens
from gristmill.domains.text.models import Shape
from gristmill.domains.text.models.conv import Conv
from gristmill.domains.text.settings import Export, Preprocess, TokenSettings
from gristmill.export import bundle
from gristmill.scores import MODEL
from gristmill.util.table_io import write_document, write_table
from helpers.small_tokens import padded
from helpers.support import SCORES_OF_CLASSES, here

if TYPE_CHECKING:
    import keras

Folders = dict[str, Path]

CLASSES = ["bad", "fair", "good"]
LENGTH = 6
TESTED = 12  # texts

_WORDS = ["Awful", "dull,", "so-so", "fine", "great!", "Lovely", "film", "plot", "naïve", "don't"]


def texts_of(count: int, seed: int) -> list[str]:
    """Return texts of 1 to 10 words, of which the longer ones are cut."""
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(_WORDS, 1 + number % 10)) for number in range(count)]


@pytest.fixture(scope="session")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The folders of a run up to evaluate: 12 test texts of words, and a network of random weights."""
    return run_to_evaluate(tmp_path_factory.mktemp("judged"), Preprocess(length=LENGTH))


@pytest.fixture(scope="session")
def bundled(judged: Folders, tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """The same with its bundle."""
    return judged | {"export": exported(judged, tmp_path_factory.mktemp("bundled"))}


def exported(folders: Folders, out: Path) -> Path:
    """Export a run into a folder, its model reloaded in this process."""
    from gristmill.domains.text.export import export

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "fresh_process", here)
        export(export=Export(), **folders, out=out)
    return out


def run_to_evaluate(root: Path, settings: Preprocess) -> Folders:
    """Write what the stages before export publish, with a network of random weights, and return the folders."""
    from gristmill.domains.common.classification.decision import MOST_PROBABLE
    from gristmill.domains.common.classification.predictions import prediction_rows
    from gristmill.domains.text.text_classifier import Padding, TextClassifier
    from gristmill.domains.text.train import with_probabilities

    folders = {stage: root / stage for stage in ("ingest", "preprocess", "train", "evaluate")}
    for folder in folders.values():
        folder.mkdir()
    texts = {"train": texts_of(20, 1), "validation": [], "test": texts_of(TESTED, 2)}
    data = write_prepared(folders["preprocess"], texts, settings)
    ids = [row["id"] for part in reversed(PARTS) for row in data.rows(part).to_dict("records")]  # in another order
    raw = [text for part in reversed(PARTS) for text in texts[part]]
    write_table(folders["ingest"] / "texts.parquet", pd.DataFrame({"id": ids, "text": raw}))
    network = with_probabilities(small_network(data.layout))
    layout = data.layout
    padding = Padding(layout.length, layout.pad, layout.truncate)
    TextClassifier.of(data.tokenizer(), padding, network).write(folders["train"])
    made = network.predict_on_batch(np.array(padded(data.sequences("test"), layout.length, layout.pad), np.int32))
    rows = prediction_rows(data, "test", {MODEL: made}, {MODEL: MOST_PROBABLE})
    write_table(folders["evaluate"] / "predictions.parquet", rows)
    write_document(folders["evaluate"] / "scores.json", SCORES_OF_CLASSES)
    for name in ("vecs.tsv", "meta.tsv"):
        (folders["evaluate"] / name).write_text(f"of {name}\n")
    return folders


def write_prepared(folder: Path, texts: dict[str, list[str]], settings: Preprocess) -> Prepared:
    """Write texts as `preprocess` does."""
    from gristmill.domains.text import tokenizer

    fitted = tokenizer.fit(texts["train"], TokenSettings(level=settings.level, vocabulary=settings.vocabulary))
    counts = {part: len(texts[part]) for part in PARTS}
    layout = Layout(
        settings.level, len(fitted.tokens), int(settings.length), settings.pad, settings.truncate, CLASSES, counts
    )
    every = [text for part in PARTS for text in texts[part]]
    write_tokens(tokenizer.encode_texts(fitted, every).truncated(layout.length, layout.truncate), folder)
    tokenizer.write(fitted, folder)
    index = [{"id": f"{part} {at}", "label": at % 3, "part": part} for part in PARTS for at in range(counts[part])]
    write_table(folder / "index.parquet", pd.DataFrame(index))
    write_layout(layout, folder)
    return read(folder)


def small_network(layout: Layout) -> "keras.Model":
    """Return a convolution of random weights that are large enough for its probabilities to differ."""
    import keras

    keras.utils.set_random_seed(3)
    model = Conv(kind="conv", dimensions=8, filters=(6,), kernel=3, units=())
    network = model.build(Shape(layout.vocabulary, layout.length, len(layout.classes)))
    network.set_weights([3 * weights for weights in network.get_weights()])
    return network


def probabilities(folders: Folders) -> Any:
    """Return the probabilities that were scored: (texts, classes)."""
    from gristmill.domains.common.classification.predictions import scored_probabilities

    return scored_probabilities(CLASSES, folders["evaluate"])


def raw_texts(texts: Sequence[str]) -> Any:
    """Return texts as a predictor takes them."""
    return np.array(list(texts), object)

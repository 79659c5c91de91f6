"""Export: the scored classifier as a bundle that takes raw strings, verified in a fresh process."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.export import class_facts, write_classifier
from gristmill.domains.common.classification.predictions import scored_probabilities
from gristmill.domains.common.sampling import evenly_spaced
from gristmill.domains.text import dataset
from gristmill.domains.text.dataset import texts_of
from gristmill.domains.text.settings import Export
from gristmill.domains.text.text_classifier import TextClassifier
from gristmill.domains.text.tokenizer import required_modules
from gristmill.export import bundle, model_card
from gristmill.export.bundle import check_parity, check_same_as_scored
from gristmill.export.formats import FORMATS
from gristmill.export.kit import Sample, pick_rows
from gristmill.scores import write_exported
from gristmill.util.table_io import write_document

FORMAT = "saved_model"  # the only format that can contain a tokenizer

_MAX_PARITY_TEXTS, _MAX_PARITY_CHARACTERS = 1000, 32 << 20
_SIGNATURE = (
    "text -> probabilities, classes (their names, in the same order), label (the predicted name) and known (how "
    "many of its tokens are in the vocabulary)"
)


def export(*, export: Export, ingest: Path, preprocess: Path, train: Path, evaluate: Path, out: Path) -> dict[str, int]:
    """Write the networks and their tokenizers as one SavedModel, and check that it reproduces the scored predictions.

    Writes `saved_model/`, `signature.json`, `scores.json` with the parity difference, the export kit, the model card
    and, for a network with an embedding, `vecs.tsv` and `meta.tsv`. The reloaded model is given the raw texts of
    `ingest`.

    Raises:
        ParityError: the reloaded model's predictions differ.
    """
    # 1. Write the model, and compare it with the scored predictions here and in a fresh process.
    with bundle.fresh_process() as reload:
        keras.backend.clear_session()  # names of variables must not depend on other work of this process
        data = dataset.read(preprocess)
        classifier = TextClassifier.read(train)
        texts = np.array(texts_of(data, ["test"], ingest)["test"], object)
        rows = parity_rows(texts)
        texts, scored = texts[rows], scored_probabilities(data.classes, evaluate)[rows]
        check_same_as_scored(classifier.predict(texts.tolist()), scored, export.tolerance)
        decision = Decision.read(evaluate)
        write_saved_model(classifier, data.classes, decision, out / FORMATS[FORMAT].path)
        described = signature(classifier, data.classes) | decision.as_json()
        write_document(out / "signature.json", described)  # read when the model is loaded
        few = pick_rows(texts)
        sample = Sample({"serving_default": {"text": texts[few]}}, scored[few])
        parity = check_parity(reload, out, [FORMAT], texts, scored, export.tolerance, decision.labels, sample)
    # 2. Add the scores, the embedding and the model card.
    write_exported(out, evaluate, parity=parity)
    for name in ("vecs.tsv", "meta.tsv"):
        if (evaluate / name).exists():
            shutil.copyfile(evaluate / name, out / name)
    level, length = described["level"], described["length"]
    facts = class_facts(
        data,
        evaluate,
        title="Classifier of texts",
        noun="texts",
        task="text-classification",
        use="Classifies texts.",
        parameters=classifier.parameters,
        notes=[],
        limits=[
            f"It reads up to {length:,} {level}s of a text.",
            "`known` in the answer is the number of tokens of a text that are in the vocabulary. If it is 0, the "
            "prediction means nothing.",
        ],
    )
    model_card.write(out, facts, train)
    return {"formats": 1, "parity_texts": len(rows)}


def write_saved_model(classifier: TextClassifier, classes: Sequence[str], decision: Decision, folder: Path) -> None:
    """Write a SavedModel whose signature takes UTF-8 strings, (batch,).

    The tokenizers are part of the graph, so texts are split, truncated and padded exactly as in training. A text
    without tokens becomes a sequence of padding. The prediction for a text without known tokens is meaningless.
    """
    write_classifier(classifier, [tf.TensorSpec((None,), tf.string, name="text")], classes, decision, folder)


def parity_rows(texts: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    """Return the positions of test texts to check parity with: evenly spaced, few enough to fit in memory."""
    longest = max(map(len, texts))
    return evenly_spaced(len(texts), min(_MAX_PARITY_TEXTS, max(1, _MAX_PARITY_CHARACTERS // max(longest, 1))))


def signature(classifier: TextClassifier, classes: list[str]) -> dict[str, Any]:
    """Return the description of the model's inputs and outputs."""
    longest: dict[str, int] = {}  # by level
    for model in classifier.members:
        level = model.tokenizer.rules.level
        longest[level] = max(model.padding.length, longest.get(level, 0))
    reading = ", and ".join(f"splits them into {level}s and reads up to {length}" for level, length in longest.items())
    first = classifier.members[0].tokenizer
    document: dict[str, Any] = {
        "input": {"name": "text", "dtype": "string", "shape": [None], "holds": f"raw UTF-8 texts; the model {reading}"},
        "output": {
            "dtype": "float32",
            "shape": [None, len(classes)],
            "columns": classes,
            "holds": "probability of each class",
        },
        "classes": classes,
        "level": first.rules.level,
        "length": longest[first.rules.level],
        "vocabulary": len(first.tokens),
        "formats": [FORMAT],
        "signatures": {"serving_default": _SIGNATURE},
    }
    return document | required_modules(longest)

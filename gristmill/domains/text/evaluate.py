"""Evaluate: the scores of a text classifier and its baselines, its errors, class keywords, and its embedding."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.classification import evaluation
from gristmill.domains.common.classification.evaluation import (
    Presentation,
    check_evaluate,
    is_balanced,
    write_scores,
)
from gristmill.domains.common.classification.labelled import PARTS, LabelledDataset
from gristmill.domains.common.comparison import compare
from gristmill.domains.text import dataset, projector
from gristmill.domains.text.dataset import LENGTH, Prepared, texts_of
from gristmill.domains.text.learner import TextLearner
from gristmill.domains.text.models.linear import NbLinear
from gristmill.domains.text.models.majority import Majority
from gristmill.domains.text.projector import EmbeddingTable
from gristmill.domains.text.settings import Evaluate
from gristmill.domains.text.text_classifier import TextClassifier
from gristmill.domains.text.tokens import SPECIAL
from gristmill.scores import MODEL
from gristmill.settings.stage import Stage
from gristmill.training.layer_table import layer_table
from gristmill.util.table_io import write_table

BASELINES = (Majority(kind="majority"), NbLinear(kind="nb_linear"))
"""Cheap classifiers that every evaluation shows."""
_MAX_EXCERPT = 600  # characters


def evaluate(
    *,
    evaluate: Evaluate,
    ingest: Path,
    preprocess: Path,
    train: Path,
    out: Path,
    candidates: Mapping[str, CandidateArtifacts] = MappingProxyType({}),
    microseconds: dict[str, float] | None = None,
) -> dict[str, int]:
    """Classify every text of the test set, and score these predictions and those of the validation set.

    The validation set was predicted by `train` or `select`, when it was held out of training. Baselines are fitted as
    `train` fits a classifier in closed form. Other `candidates` are scored too, but not selected by these scores. The
    time that each takes for a text is added to `microseconds`.

    Writes
    - `predictions.parquet` (one row per text), `scores.parquet` (by class and slice), `scores.json`, `layers.parquet`.
    - `wrong_labels.csv`: likely wrong labels. `examples.parquet`: texts that the report shows, shortened to their
      beginning and end.
    - `class_keywords.parquet`: tokens of the training texts, the class that each indicates, and how clearly.
    - if a network has an embedding of the vocabulary: `vecs.tsv` and `meta.tsv` for the Embedding Projector,
      `neighbours.parquet` and `embedding2d.parquet`.

    Raises:
        RequestError: the decision does not fit the data, a slice is not a column of the source's metadata, or a word is
            not in the vocabulary.
    """
    data = dataset.read(preprocess)
    usable = succeeded(candidates)
    check_evaluate(evaluate, data)
    learner = TextLearner(data, ingest)
    classifier = learner.read(train)
    embedding = embedding_of_vocabulary(classifier, data)
    if embedding or not candidates:
        projector.check_words_known(evaluate.neighbours, embedding)

    # 1. Predict with the model, its baselines and the candidates.
    by_model = {MODEL: learner.predict_scored(classifier) | learner.read_held_out(train)}
    by_model |= compare(learner, BASELINES, usable, balanced=is_balanced(train), microseconds=microseconds)

    # 2. Describe the network, the keywords of the classes and the embedding.
    write_table(out / "layers.parquet", pd.concat(map(layer_table, classifier.networks)))
    keywords = class_keywords(data)
    write_table(out / "class_keywords.parquet", keywords)
    more = {"embedding": write_embedding(data, embedding, keywords, evaluate.neighbours, out)} if embedding else {}

    # 3. Score the predictions, also by length, and show some texts.
    slices = (LENGTH, *(name for name in evaluate.slices if name != LENGTH))
    sliced = LabelledDataset(by_length(data.index), data.classes)
    advice = f"check that no word reveals the label. The strongest keyword is {keywords['token'].iloc[0]!r}"
    texts = texts_of(data, PARTS, ingest)
    presentation = Presentation(learner.noun, slices, lambda rows: with_excerpts(data, texts, rows), advice)
    return write_scores(sliced, by_model, evaluate, presentation, train=train, candidates=usable, out=out, **more)


def check_before_training(preprocessed: Path, tables: Mapping[str, Any], stages: Collection[Stage]) -> None:
    """Check settings of the scores of classes, because evaluate would fail only after the training."""
    evaluation.check_before_training(tables["evaluate"], lambda: dataset.read(preprocessed))


def embedding_of_vocabulary(classifier: TextClassifier, data: Prepared) -> EmbeddingTable | None:
    """Return the embedding of the first member that reads the vocabulary of preprocess and has one."""
    tokens = data.vocabulary["token"].tolist()
    networks = [member.network for member in classifier.members if member.tokenizer.tokens == tokens]
    return next(filter(None, (projector.embedding_of(network, tokens) for network in networks)), None)


def by_length(index: pd.DataFrame) -> pd.DataFrame:
    """Return the index with a column of length quartiles, those of the training texts, as ranges such as `1-86`."""
    tokens = index["tokens"].to_numpy(np.int64)
    training = tokens[(index["part"] == "train").to_numpy()]
    inner = np.unique(np.quantile(training, [0.25, 0.5, 0.75], method="inverted_cdf")).tolist()
    highs = [high for high in inner if high < tokens.max()]
    lows = [tokens.min(), *(high + 1 for high in highs)]
    bounds = zip(lows, [*highs, tokens.max()], strict=True)
    names = [f"{low}-{high}" if low < high else f"{low}" for low, high in bounds]
    groups = pd.Categorical(np.array(names)[np.searchsorted(highs, tokens)], names, ordered=True)
    return index.assign(**{LENGTH: groups})


def with_excerpts(data: Prepared, texts: Mapping[str, list[str]], rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows, which have `id` and `part`, with their shortened `text`; `texts` are all of each part."""
    by_id = {part: dict(zip(data.rows(part)["id"], texts[part], strict=True)) for part in rows["part"].unique()}
    return rows.assign(text=[shorten(by_id[part][id_]) for part, id_ in zip(rows["part"], rows["id"], strict=True)])


def shorten(text: str) -> str:
    """Return a text in one line, a long one without its middle: the opinion is often at the end."""
    line = " ".join(text.split())
    half = _MAX_EXCERPT // 2
    return line if len(line) <= _MAX_EXCERPT else f"{line[:half].rstrip()} … {line[-half:].lstrip()}"


def write_embedding(
    data: Prepared, table: EmbeddingTable, keywords: pd.DataFrame, words: tuple[str, ...], out: Path
) -> dict[str, Any]:
    """Write the files of an embedding; return its entry in `scores.json`."""
    projector.write_projector(table, data.vocabulary["count"].tolist(), out)
    words = words or tuple(keywords["token"].head(6))
    write_table(out / "neighbours.parquet", projector.neighbours(table, words))
    positions, shares = projector.project_2d(table, keywords)
    write_table(out / "embedding2d.parquet", positions)
    return {"layer": table.layer, "dimensions": int(table.vectors.shape[1]), "shares": shares}


def class_keywords(data: Prepared) -> pd.DataFrame:
    """Return one row for each token of the training texts, the strongest keywords first.

    Columns: `id`, `token`, `count` in training, the `class` it indicates, and `deviations`: by how many standard
    deviations the log odds of the token in texts of that class exceed those in the other texts.

    Sources: Wang & Manning, "Baselines and bigrams: simple, good sentiment and topic classification", ACL 2012; Monroe,
    Colaresi & Quinn, "Fightin' words: lexical feature selection and evaluation for identifying the content of political
    conflict", Political Analysis 16(4), 2008, for the deviation, without which the rarest tokens would come first.
    """
    # 1. Count the training texts of each class that contain each token, (tokens, classes).
    vocabulary, sequences, labels = data.vocabulary, data.sequences("train"), data.labels("train")
    tokens, classes = data.layout.vocabulary, len(data.classes)
    pairs = pd.unique(sequences.owners * tokens + sequences.values)  # by hashes, faster than sorting
    cells = pairs % tokens * classes + labels[pairs // tokens]
    texts_with = np.bincount(cells, minlength=tokens * classes).reshape(tokens, classes)
    # 2. Score the tokens, and leave out those that are in no text.
    scores = deviations(texts_with, np.bincount(labels, minlength=classes))
    table = pd.DataFrame(
        {
            "id": np.arange(len(vocabulary)),
            "token": vocabulary["token"],
            "count": vocabulary["count"],
            "class": np.array(data.classes, object)[scores.argmax(axis=1)],
            "deviations": scores.max(axis=1),
        }
    )
    known = table.iloc[len(SPECIAL) :]
    return known[known["count"] > 0].sort_values("deviations", ascending=False, kind="stable").reset_index(drop=True)


def deviations(inside: npt.NDArray[np.int64], texts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return by how many standard deviations each token is more frequent in each class: (tokens, classes).

    `inside` is the number of texts of each class with a token, (tokens, classes), `texts` that of all, (classes,).
    """
    within, beyond = inside + 1.0, inside.sum(axis=1, keepdims=True) - inside + 1.0
    ratio = np.log(within / (texts + 2.0)) - np.log(beyond / (texts.sum() - texts + 2.0))
    return np.asarray(ratio / np.sqrt(1 / within + 1 / beyond))

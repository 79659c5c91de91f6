"""Evaluate: the scores of a text classifier and its baselines, its errors, and the neighbours in its embedding."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.candidates import CandidateArtifacts, succeeded
from gristmill.domains.common.classification.held_out import validation_probabilities
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.predictions import Probabilities, most_confident_errors, prediction_rows
from gristmill.domains.common.classification.score_table import (
    ProbabilitiesByModel,
    check_slices,
    described,
    score_table,
    summarised,
)
from gristmill.domains.common.selection import summary_of
from gristmill.domains.text import dataset, projector, text_classifier
from gristmill.domains.text.class_keywords import class_keywords
from gristmill.domains.text.dataset import LENGTH, Prepared
from gristmill.domains.text.models.linear import NbLinear
from gristmill.domains.text.models.majority import Majority
from gristmill.domains.text.predictions import texts_of
from gristmill.domains.text.projector import EmbeddingTable
from gristmill.domains.text.settings import Evaluate
from gristmill.domains.text.text_classifier import TextClassifier
from gristmill.domains.text.text_model import LabelledTexts
from gristmill.errors import Unsuitable
from gristmill.runs.scores import FILE, MODEL
from gristmill.training.layer_table import layer_table
from gristmill.util.table_io import write_document, write_table

ProbabilitiesByPart = dict[str, Probabilities]

BASELINES = (Majority(kind="majority"), NbLinear(kind="nb_linear"))
"""Cheap classifiers that every evaluation shows."""

_MAX_TIMED = 256  # texts
_MAX_ERRORS = 20
_MAX_EXCERPT = 600  # characters of a misclassified text
_QUARTERS = (0.25, 0.5, 0.75)


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

    The validation set was predicted by `train` or `select`, with classifiers that were not fitted on it. Other
    `candidates` are scored, too; their scores choose nothing. The time that each of them takes for a text is added to
    `microseconds`.

    Writes
    - `predictions.parquet` (one row per text), `scores.parquet` (by class and slice), `scores.json`, `layers.parquet`.
    - `errors.parquet`: the most confident errors with their text, shortened to its beginning and end.
    - `telling.parquet`: the keywords of the classes.
    - if a network has an embedding of the vocabulary: `vecs.tsv` and `meta.tsv` for the Embedding Projector,
      `neighbours.parquet` and `embedding2d.parquet`.

    Raises:
        RequestError: a slice is not a column of the source's metadata, or a word is not in the vocabulary.
    """
    data, classifier, tried = dataset.read(preprocess), text_classifier.read(train), succeeded(candidates)
    check_slices(evaluate.slices, data)
    slices = tuple(name for name in evaluate.slices if name != LENGTH)
    embedding = embedding_of_vocabulary(classifier, data)
    if embedding or not candidates:
        projector.check_words_known(evaluate.neighbours, embedding)
    parts = [part for part in ("validation", "test") if len(data.rows(part))]
    texts = texts_of(data, ["train", *parts], ingest)
    others = baseline_probabilities(data, texts, parts, tried)
    others |= candidate_probabilities(data, texts["test"], tried, {} if microseconds is None else microseconds)
    model = held_out_and_test(classifier, train, data, texts["test"])
    rows, predicted = {}, {}
    for part in parts:
        compared = {name: other[part] for name, other in others.items()}
        rows[part] = prediction_rows(data, part, model[part], compared)
        predicted[part] = {MODEL: model[part]} | compared
    table = scores_by_group(data, predicted, slices)
    write_table(out / "predictions.parquet", pd.concat(rows.values(), ignore_index=True))
    write_table(out / "scores.parquet", table)
    write_table(out / "layers.parquet", pd.concat([layer_table(one.model.network) for one in classifier.members]))
    write_table(out / "errors.parquet", errors(rows["test"], texts["test"]))
    known = write_embedding(data, embedding, evaluate.neighbours, out)
    chosen = [name for name, one in tried.items() if not one.is_baseline]
    summary = summarised(table, summary_of(train), chosen) | described(data, predicted["test"][MODEL])
    write_document(out / FILE, summary | known)
    return {f"{part}_texts": len(rows[part]) for part in parts}


def baseline_probabilities(
    data: Prepared, texts: Mapping[str, list[str]], parts: Sequence[str], tried: Mapping[str, CandidateArtifacts]
) -> dict[str, ProbabilitiesByPart]:
    """Return the probabilities of the baselines that are not among the candidates, fitted on the training set.

    One that does not suit the texts is left out.
    """
    known = [one.document["settings"]["model"] for one in tried.values()]
    training = LabelledTexts(texts["train"], data.labels("train"), len(data.classes))
    made: dict[str, ProbabilitiesByPart] = {}
    for baseline in BASELINES:
        if baseline.model_dump(mode="json") not in known:
            with suppress(Unsuitable):
                fitted = baseline.fit(training)
                made[baseline.kind] = {part: fitted.probabilities(texts[part]) for part in parts}
    return made


def candidate_probabilities(
    data: Prepared, test: Sequence[str], tried: Mapping[str, CandidateArtifacts], microseconds: dict[str, float]
) -> dict[str, ProbabilitiesByPart]:
    """Return the probabilities of candidates, and add the time that each takes for a text to `microseconds`."""
    made = {}
    for name, one in tried.items():
        classifier = text_classifier.read(one.train)
        made[name] = held_out_and_test(classifier, one.train, data, test)
        begun, timed = time.perf_counter(), test[:_MAX_TIMED]
        classifier.probabilities(timed)
        microseconds[name] = (time.perf_counter() - begun) / len(timed) * 1e6
    return made


def held_out_and_test(
    classifier: TextClassifier, folder: Path, data: Prepared, test: Sequence[str]
) -> ProbabilitiesByPart:
    """Return a classifier's probabilities of the test set, and its held-out ones of the validation set."""
    held_out = {"validation": validation_probabilities(folder, data)} if data.layout.counts["validation"] else {}
    return held_out | {"test": classifier.probabilities(test)}


def embedding_of_vocabulary(classifier: TextClassifier, data: Prepared) -> EmbeddingTable | None:
    """Return the embedding of the first member that reads the vocabulary of preprocess and has one."""
    tokens = data.vocabulary["token"].tolist()
    tables = [
        projector.embedding_of(one.model.network, tokens)
        for one in classifier.members
        if one.model.tokenizer.tokens == tokens
    ]
    return next((table for table in tables if table), None)


def scores_by_group(
    data: Prepared, predicted: dict[str, ProbabilitiesByModel], slices: tuple[str, ...]
) -> pd.DataFrame:
    """Return the scores of all parts, by class and by slice, including slices by length."""
    index, names = by_length(data.index)
    sliced = LabelledDataset(index, data.classes)
    tables = [score_table(sliced, part, of_part, (LENGTH, *slices)) for part, of_part in predicted.items()]
    table = pd.concat(tables, ignore_index=True)
    return table.assign(group=table["group"].where(table["by"] != LENGTH, table["group"].map(names)))


def by_length(index: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the index with a column of length quartiles, and the name of each quartile.

    The quartiles are those of the training texts. The column holds their numbers, which sort by length; a name is the
    range of lengths, such as `1-86`.
    """
    tokens = index["tokens"].to_numpy(np.int64)
    training = tokens[(index["part"] == "train").to_numpy()]
    inner = np.unique(np.quantile(training, _QUARTERS, method="inverted_cdf")).tolist()
    highs = [high for high in inner if high < tokens.max()]
    lows = [tokens.min(), *(high + 1 for high in highs)]
    bounds = zip(lows, [*highs, tokens.max()], strict=True)
    names = [f"{low}-{high}" if low < high else f"{low}" for low, high in bounds]
    groups = np.searchsorted(highs, tokens, side="left")
    return index.assign(**{LENGTH: groups.astype(str)}), {str(at): name for at, name in enumerate(names)}


def errors(rows: pd.DataFrame, texts: list[str]) -> pd.DataFrame:
    """Return the most confident errors: `id`, `label`, `predicted`, `probability`, `text`."""
    wrong = most_confident_errors(rows, _MAX_ERRORS)
    excerpts = pd.Series([shorten(texts[at]) for at in wrong.index], wrong.index, dtype="str")
    return wrong[["id", "label", "predicted", "probability"]].assign(text=excerpts)


def shorten(text: str) -> str:
    """Return a text in one line, a long one without its middle: the opinion is often at the end."""
    line = " ".join(text.split())
    half = _MAX_EXCERPT // 2
    return line if len(line) <= _MAX_EXCERPT else f"{line[:half].rstrip()} … {line[-half:].lstrip()}"


def write_embedding(data: Prepared, table: EmbeddingTable | None, words: tuple[str, ...], out: Path) -> dict[str, Any]:
    """Write the keywords and, if there is an embedding, its files; return its entry in `scores.json`."""
    keywords = class_keywords(data)
    write_table(out / "telling.parquet", keywords)
    if table is None:
        return {}
    projector.write_projector(table, data.vocabulary["count"].tolist(), out)
    words = words or tuple(keywords["token"].head(projector.DEFAULT_WORDS))
    write_table(out / "neighbours.parquet", projector.neighbours(table, words))
    positions, shares = projector.project_2d(table, keywords)
    write_table(out / "embedding2d.parquet", positions)
    return {"embedding": {"layer": table.layer, "dimensions": int(table.vectors.shape[1]), "shares": shares}}

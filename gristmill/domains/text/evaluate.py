"""Evaluate: the scores of a text classifier and its baselines, its errors, and the neighbours in its embedding."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.predictions import most_confident_errors, prediction_rows
from gristmill.domains.common.classification.score_table import (
    ProbabilitiesByModel,
    check_slices,
    described,
    score_table,
    summarised,
)
from gristmill.domains.text import baselines, dataset, projector
from gristmill.domains.text.class_keywords import class_keywords
from gristmill.domains.text.dataset import LENGTH, Prepared
from gristmill.domains.text.predictions import probabilities_of, texts_of
from gristmill.domains.text.projector import EmbeddingTable
from gristmill.domains.text.settings import Evaluate
from gristmill.runs.scores import FILE, MODEL
from gristmill.training import saved_network
from gristmill.training.layer_table import layer_table
from gristmill.util.table_io import write_document, write_table

_MAX_ERRORS = 20
_MAX_EXCERPT = 600  # characters of a misclassified text
_QUARTERS = (0.25, 0.5, 0.75)


def evaluate(*, evaluate: Evaluate, ingest: Path, preprocess: Path, train: Path, out: Path) -> dict[str, int]:
    """Classify every text of the validation and test sets and score the predictions.

    Writes
    - `predictions.parquet` (one row per text), `scores.parquet` (by class and slice), `scores.json`, `layers.parquet`.
    - `errors.parquet`: the most confident errors with their text, shortened to its beginning and end.
    - `telling.parquet`: the keywords of the classes.
    - if the network has an embedding: `vecs.tsv` and `meta.tsv` for the Embedding Projector, `neighbours.parquet` and
      `embedding2d.parquet`.

    Raises:
        RequestError: a slice is not a column of the source's metadata, or a word is not in the vocabulary.
    """
    data, network = dataset.read(preprocess), saved_network.read(train)
    check_slices(evaluate.slices, data)
    slices = tuple(name for name in evaluate.slices if name != LENGTH)
    embedding = projector.embedding_of(network, data.vocabulary["token"].tolist())
    projector.check_words_known(evaluate.neighbours, embedding)
    parts = [part for part in ("validation", "test") if len(data.rows(part))]
    texts = texts_of(data, ["train", *parts], ingest)
    others = baselines.predictions_of(data, texts, parts)
    predicted = {part: {MODEL: probabilities_of(network, data, part)} | others[part] for part in parts}
    rows = {part: prediction_rows(data, part, predicted[part][MODEL], others[part]) for part in parts}
    table = scores_by_group(data, predicted, slices)
    write_table(out / "predictions.parquet", pd.concat(rows.values(), ignore_index=True))
    write_table(out / "scores.parquet", table)
    write_table(out / "layers.parquet", layer_table(network))
    write_table(out / "errors.parquet", errors(rows["test"], texts["test"]))
    known = write_embedding(data, embedding, evaluate.neighbours, out)
    write_document(out / FILE, summarised(table) | described(data, predicted["test"][MODEL]) | known)
    return {f"{part}_texts": len(rows[part]) for part in parts}


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

"""Evaluation of a classifier: its predictions and those of baselines and other candidates, and their scores."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill.domains.common.candidates import CandidateArtifacts
from gristmill.domains.common.classification.held_out import validation_probabilities
from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.predictions import Probabilities, prediction_rows
from gristmill.domains.common.classification.score_table import described, score_table, summarised
from gristmill.domains.common.selection import summary_of
from gristmill.runs.scores import FILE, MODEL
from gristmill.util.table_io import write_document, write_table

ProbabilitiesByPart = dict[str, Probabilities]


def parts_to_score(data: LabelledDataset) -> list[str]:
    """Return the parts to score: validation if it has examples, and test."""
    return [part for part in ("validation", "test") if len(data.rows(part))]


def held_out_and_test(folder: Path, data: LabelledDataset, test: Probabilities) -> ProbabilitiesByPart:
    """Return the held-out probabilities of the validation set in an artifact of train, and those of the test set."""
    return {"validation": validation_probabilities(folder, data), "test": test}


def write_scores(
    data: LabelledDataset,
    by_model: Mapping[str, ProbabilitiesByPart],
    slices: tuple[str, ...],
    train: Path,
    tried: Mapping[str, CandidateArtifacts],
    out: Path,
    **more: Any,
) -> dict[str, pd.DataFrame]:
    """Write `predictions.parquet`, `scores.parquet` and `scores.json`; return the predictions, part by part.

    The model in the folder `train` comes first in `by_model`, then baselines and the candidates that were `tried`.
    `more` are further values of `scores.json`.
    """
    rows, tables = {}, []
    for part in parts_to_score(data):
        predicted = {name: by_part[part] for name, by_part in by_model.items()}
        tables.append(score_table(data, part, predicted, slices))
        rows[part] = prediction_rows(data, part, predicted.pop(MODEL), predicted)
    table = pd.concat(tables, ignore_index=True)
    write_table(out / "predictions.parquet", pd.concat(rows.values(), ignore_index=True))
    write_table(out / "scores.parquet", table)
    chosen = [name for name, one in tried.items() if not one.is_baseline]
    summary = summarised(table, summary_of(train), chosen) | described(data, by_model[MODEL]["test"])
    write_document(out / FILE, summary | more)
    return rows

"""Evaluate: predictions of the model and the baselines, row by row, their scores, and the importance of columns."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from gristmill.domains.common.candidates import CandidateArtifacts, fit_baselines, succeeded
from gristmill.domains.common.permutation_importance import IMPORTANCE_FILE, Order, importance, sample_positions
from gristmill.domains.common.selection import summary_of
from gristmill.domains.tabular import closed_form, dataset, held_out
from gristmill.domains.tabular.dataset import Prepared, Values, by_part
from gristmill.domains.tabular.encoder import predict_target
from gristmill.domains.tabular.models.linear import LeastSquares
from gristmill.domains.tabular.models.mean import Mean
from gristmill.domains.tabular.partial_dependence import PARTIAL_DEPENDENCE_FILE, partial_dependence
from gristmill.domains.tabular.scores import mae, r2, rmse
from gristmill.domains.tabular.settings import Evaluate
from gristmill.runs.scores import FILE, MODEL, summarise
from gristmill.training import saved_network
from gristmill.training.saved_network import as_tensors
from gristmill.util.table_io import write_document, write_table

BASELINES = (Mean(kind="mean"), LeastSquares(kind="least_squares"))
"""Cheap kinds that every evaluation shows."""

_ROWS_TIMED = 1_000
_METRICS = {"mae": mae, "rmse": rmse, "r2": r2}


def evaluate(
    *,
    evaluate: Evaluate,
    preprocess: Path,
    train: Path,
    out: Path,
    candidates: Mapping[str, CandidateArtifacts] | None = None,
    microseconds: dict[str, float] | None = None,
) -> dict[str, int]:
    """Predict every row and score each part. Nothing was fitted or chosen on the test set.

    Predictions of the validation set are those of models that were not fitted on it.

    Writes `predictions.parquet` (one row per row of the table: `row`, its position; `part`; `y`; one column per model),
    `scores.json` and, with more than one column to predict from, `importance.json` and `partial_dependence.parquet`.
    The time that each candidate takes for a row is added to `microseconds`.
    """
    data, network = dataset.read(preprocess), saved_network.read(train)
    tried = succeeded(candidates or {})
    predicted = {MODEL: honest_predictions(train, data)}
    predicted |= {name: honest_predictions(one.train, data) for name, one in tried.items()}

    def predict(baseline: Mean | LeastSquares) -> Values:
        fitted, (rows, honest) = closed_form.fit(baseline, data)
        return _with_honest(data, predict_target(fitted, data.inputs), pd.Series(honest, rows))

    predicted |= fit_baselines(BASELINES, tried, predict)
    if microseconds is not None:
        timed = as_tensors(data.layout.inputs(data.table[:_ROWS_TIMED]))
        for name, one in tried.items():
            microseconds[name] = saved_network.microseconds_per_row(saved_network.read(one.train), timed)
    predictions = pd.DataFrame({"row": np.arange(len(data.table)), "part": data.parts, "y": data.truth, **predicted})
    write_table(out / "predictions.parquet", predictions)
    scores = {name: score(predictions, name) for name in predicted}
    others = [name for name, one in tried.items() if not one.is_baseline]
    write_document(out / FILE, summarise(scores, "mae", _METRICS, selected=summary_of(train), others=others))
    if ranking := importance_of_columns(data, network):
        write_document(out / IMPORTANCE_FILE, ranking)
        names = [feature["feature"] for feature in ranking["features"]]
        dependence = partial_dependence(data, names, lambda rows: predict_target(network, data.layout.inputs(rows)))
        write_table(out / PARTIAL_DEPENDENCE_FILE, dependence)
    return {f"{part}_rows": len(rows) for part, rows in by_part(predictions).items()}


def honest_predictions(folder: Path, data: Prepared) -> Values:
    """Return a trained model's predictions for every row, those of the validation set by a fit without it."""
    return _with_honest(data, predict_target(saved_network.read(folder), data.inputs), held_out.read(folder))


def _with_honest(data: Prepared, predicted: Values, honest: "pd.Series[float]") -> Values:
    """Return predictions in which those of the validation set are held-out ones."""
    validation = honest[data.parts[honest.index] == "validation"]
    predicted[validation.index] = validation.to_numpy()
    return predicted


def score(predictions: pd.DataFrame, name: str) -> dict[str, dict[str, float | None]]:
    """Return the scores of a model or baseline, by part and metric."""
    return {
        part: {metric: measure(rows["y"].to_numpy(), rows[name].to_numpy()) for metric, measure in _METRICS.items()}
        for part, rows in by_part(predictions).items()
    }


def importance_of_columns(data: Prepared, network: keras.Model) -> dict[str, Any] | None:
    """Return the permutation importance of numbers and categories; None if there is only one column.

    It is measured on the test rows, since some kinds are fitted on the validation rows too.
    """
    columns = [*data.layout.numbers, *data.layout.categories]
    if len(columns) < 2:
        return None
    rows = np.flatnonzero(data.parts == "test")
    rows = rows[sample_positions(len(rows))]
    table, truth = data.table.iloc[rows], data.truth[rows]

    def error(column: str, order: Order) -> float:
        shuffled = table.copy()
        shuffled[column] = table[column].to_numpy()[order]
        return mae(truth, predict_target(network, data.layout.inputs(shuffled)))

    return {"part": "test", "metric": "mae", "of": "rows"} | importance(columns, error, len(rows))

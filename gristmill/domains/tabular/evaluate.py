"""Evaluate: predictions of the model and the baselines, row by row, their scores, and the importance of columns."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from gristmill.domains.common.permutation_importance import IMPORTANCE_FILE, Order, importance, sample_positions
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.baselines import baselines
from gristmill.domains.tabular.dataset import Prepared, by_part
from gristmill.domains.tabular.encoder import predict_target
from gristmill.domains.tabular.scores import mae, r2, rmse
from gristmill.domains.tabular.settings import Evaluate
from gristmill.runs.scores import FILE, MODEL, summarise
from gristmill.training import saved_network
from gristmill.util.table_io import write_document, write_table

_METRICS = {"mae": mae, "rmse": rmse, "r2": r2}


def evaluate(*, evaluate: Evaluate, preprocess: Path, train: Path, out: Path) -> dict[str, int]:
    """Predict every row and score each part. Nothing was fitted or chosen on the test set.

    Writes `predictions.parquet` (one row per row of the table: `row`, its position; `part`; `y`; one column per model),
    `scores.json` and, with more than one column to predict from, `importance.json`.
    """
    data, network = dataset.read(preprocess), saved_network.read(train)
    predicted = {MODEL: predict_target(network, data.inputs)} | baselines(data)
    predictions = pd.DataFrame({"row": np.arange(len(data.table)), "part": data.parts, "y": data.truth, **predicted})
    write_table(out / "predictions.parquet", predictions)
    scores = {name: score(predictions, name) for name in predicted}
    write_document(out / FILE, summarise(scores, "mae", _METRICS))
    if ranking := importance_of_columns(data, network):
        write_document(out / IMPORTANCE_FILE, ranking)
    return {f"{part}_rows": len(rows) for part, rows in by_part(predictions).items()}


def score(predictions: pd.DataFrame, name: str) -> dict[str, dict[str, float | None]]:
    """Return the scores of a model or baseline, by part and metric."""
    return {
        part: {metric: measure(rows["y"].to_numpy(), rows[name].to_numpy()) for metric, measure in _METRICS.items()}
        for part, rows in by_part(predictions).items()
    }


def importance_of_columns(data: Prepared, network: keras.Model) -> dict[str, Any] | None:
    """Return the permutation importance of numbers and categories; None if there is only one column.

    It is measured on the validation rows if there are any, else on the test rows.
    """
    columns = [*data.layout.numbers, *data.layout.categories]
    if len(columns) < 2:
        return None
    part = "validation" if "validation" in data.parts else "test"
    rows = np.flatnonzero(data.parts == part)
    rows = rows[sample_positions(len(rows))]
    table, truth = data.table.iloc[rows], data.truth[rows]

    def error(column: str, order: Order) -> float:
        shuffled = table.copy()
        shuffled[column] = table[column].to_numpy()[order]
        return mae(truth, predict_target(network, data.layout.inputs(shuffled)))

    return {"part": part, "metric": "mae", "of": "rows"} | importance(columns, error, len(rows))

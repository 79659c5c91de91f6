"""Evaluate: the model's predictions beside the baselines', row by row, and their scores."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common import permutation_importance
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.baselines import baselines
from gristmill.domains.tabular.dataset import MODEL, by_part
from gristmill.domains.tabular.encoder import predicted
from gristmill.domains.tabular.importance import importance_of_columns
from gristmill.domains.tabular.scores import mae, r2, rmse
from gristmill.domains.tabular.settings import Evaluate
from gristmill.training import saved_network
from gristmill.util.ranking import rank
from gristmill.util.table_io import write_document, write_table

_HEADLINE = "mae"
_METRICS = {"mae": mae, "rmse": rmse, "r2": r2}


def evaluate(*, evaluate: Evaluate, preprocess: Path, train: Path, out: Path) -> dict[str, int]:
    """Predict every row and score what came out, part by part; only the test part was used for nothing before.

    Writes `predictions.parquet` (one row a row of the table: `row`, its position; `part`; `y`; one column a model),
    `scores.json` and, where there is more than one column to predict from, `importance.json`.

    Args:
        evaluate: the table of that name.
        preprocess: folder of the prepared rows.
        train: folder of the trained network.
        out: folder to write to.
    """
    data, network = dataset.read(preprocess), saved_network.read(train)
    made = {MODEL: predicted(network, data.inputs)} | baselines(data)
    predictions = pd.DataFrame({"row": np.arange(len(data.table)), "part": data.parts, "y": data.truth, **made})
    write_table(out / "predictions.parquet", predictions)
    write_document(out / "scores.json", summarised({name: scored(predictions, name) for name in made}))
    if found := importance_of_columns(data, network):
        write_document(out / permutation_importance.IMPORTANCE_FILE, found)
    return {f"{part}_rows": len(rows) for part, rows in by_part(predictions).items()}


def scored(predictions: pd.DataFrame, name: str) -> dict[str, dict[str, float | None]]:
    """Return the scores of a model or baseline, by part and metric."""
    return {
        part: {metric: measure(rows["y"].to_numpy(), rows[name].to_numpy()) for metric, measure in _METRICS.items()}
        for part, rows in by_part(predictions).items()
    }


def summarised(scores: dict[str, Any]) -> dict[str, Any]:
    """Return the model's scores, the baselines', the best of them and the headline, the mean absolute error."""
    rest = {name: by_part for name, by_part in scores.items() if name != MODEL}
    best = min(rest, key=lambda name: rank(rest[name]["test"][_HEADLINE]))
    return {
        "model": scores[MODEL],
        "baselines": rest,
        "best_baseline": best,
        "shown": list(_METRICS),
        "headline": {
            "metric": _HEADLINE,
            "model": scores[MODEL]["test"][_HEADLINE],
            "baseline": rest[best]["test"][_HEADLINE],
        },
    }

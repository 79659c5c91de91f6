"""Live scores of predicted rows of a table, whose truth comes from a file."""

from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.tabular import dataset
from gristmill.monitoring.live_rows import LiveRows, with_truth
from gristmill.monitoring.prediction_columns import ANSWERED, COVERED, DAY, LEVEL, RUN, SCORE, TRUTH
from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_drift import category_drift, example_error_drift, number_drift
from gristmill.runs.retraining_record import Champion, Drift, Folders
from gristmill.runs.scores import MODEL
from gristmill.util.table_io import read_table


def truth_column(ingest: Any) -> str:
    """Return the column of the truth in a file."""
    return str(ingest.target)


def live_rows(log: pd.DataFrame, truth: pd.DataFrame, champion: Champion, run: str) -> LiveRows:
    """Return logged rows, compared with the truth; `run` made the model that serves."""
    known = dataset.read(champion.folders["preprocess"])
    layout = known.layout
    rows = with_truth(log, truth, layout.target)
    predicted = rows[layout.target].to_numpy(np.float64)
    error = np.abs(rows[TRUTH].to_numpy(np.float64) - predicted)
    rows = rows.assign(**{DAY: rows[ANSWERED].dt.tz_localize(None), SCORE: error, COVERED: np.nan, LEVEL: np.nan})
    own = rows[(rows[RUN] == run) & rows[layout.target].notna()]  # a row with an empty cell has no prediction
    drift = _drift(own, known, champion.folders) if len(own) else Drift(errors=None, inputs=[])
    return LiveRows(rows, {name: name for name in layout.categories if name in rows}, drift)


def _drift(rows: pd.DataFrame, known: dataset.Prepared, champion: Folders) -> Drift:
    """Compare errors and predictions with those of the test set, and inputs with the training data."""
    layout, trained = known.layout, known.table[known.parts == "train"]
    tested = read_table(champion["evaluate"] / "predictions.parquet").query("part == 'test'")
    predicted = rows[layout.target].to_numpy(np.float64)
    return combine_signs(
        errors=example_error_drift(
            rows[SCORE].dropna().to_numpy(np.float64), np.abs(tested["y"].to_numpy() - tested[MODEL].to_numpy())
        ),
        inputs=[
            number_drift(f"predicted {layout.target}", predicted, tested[MODEL].to_numpy(np.float64)),
            *(number_drift(name, rows[name].to_numpy(np.float64), trained[name].to_numpy()) for name in layout.numbers),
            *(category_drift(name, rows[name].astype("str"), trained[name]) for name in layout.categories),
        ],
    )

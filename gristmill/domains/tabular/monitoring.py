"""Live scores of predicted rows of a table, whose truth comes from a file."""

from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.monitoring import coverage_of_sets, hits
from gristmill.domains.common.classification.predictions import read_predictions
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.columns import as_text
from gristmill.domains.tabular.retraining import errors_on_test
from gristmill.monitoring.live_rows import LiveRows, with_truth
from gristmill.monitoring.prediction_columns import ANSWERED, DAY, RUN, SCORE, TRUTH
from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_drift import category_drift, example_error_drift, input_drift, number_drift
from gristmill.runs.retraining_record import Champion, Drift, Folders
from gristmill.runs.scores import MODEL


def truth_column(ingest: Any) -> str:
    """Return the column of the truth in a file."""
    return str(ingest.target)


def live_rows(log: pd.DataFrame, truth: pd.DataFrame, champion: Champion, run: str) -> LiveRows:
    """Return logged rows, compared with the truth; `run` made the model that serves.

    The score is the absolute error of a number, or 1 for a class that is right and 0 for another.
    """
    known = dataset.read(champion.folders["preprocess"])
    layout, target = known.layout, known.layout.target
    rows = with_truth(log, truth, target)
    if layout.classes:
        metric, score = "accuracy", hits(rows, target)
    else:
        metric, score = "mae", np.abs(rows[TRUTH].to_numpy(np.float64) - rows[target].to_numpy(np.float64))
    day = rows[ANSWERED].dt.tz_localize(None)
    slices = [name for name in layout.categories if name in rows]
    texts = {name: as_text(rows[name]) for name in slices}  # of empty cells too, as in the training data
    rows = rows.assign(**{DAY: day, SCORE: score, **coverage_of_sets(rows, champion, run), **texts})
    own = rows[(rows[RUN] == run) & rows[target].notna()]
    drift = _drift(own, known, champion.folders) if len(own) else Drift(errors=None, inputs=[])
    return LiveRows(rows, {name: name for name in slices}, drift, metric=metric)


def _drift(rows: pd.DataFrame, known: dataset.Prepared, champion: Folders) -> Drift:
    """Compare errors and predictions with those of the test set, and inputs with the training data."""
    layout, trained = known.layout, known.table[known.parts == "train"]
    tested, scores = read_predictions(champion["evaluate"], "test"), rows[SCORE].dropna().to_numpy(np.float64)
    predicted, name = rows[layout.target], f"predicted {layout.target}"
    if layout.classes:
        of_target = category_drift(name, predicted.astype("str"), tested["predicted"])
    else:
        of_target = number_drift(name, predicted.to_numpy(np.float64), tested[MODEL].to_numpy(np.float64))
    return combine_signs(
        errors=example_error_drift(1 - scores if layout.classes else scores, errors_on_test(tested, layout)),
        inputs=[of_target, *input_drift(rows, trained, layout.numbers, layout.categories)],
    )

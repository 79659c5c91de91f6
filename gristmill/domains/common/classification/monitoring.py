"""Live scores of predicted classes, whose truth comes from a file."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.predictions import misclassified, read_predictions
from gristmill.monitoring.live_rows import LiveRows, with_truth
from gristmill.monitoring.prediction_columns import ANSWERED, COVERED, DAY, LEVEL, RUN, SCORE, TRUTH
from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_drift import category_drift, example_error_drift
from gristmill.runs.retraining_record import Champion, Drift


def truth_column(ingest: Any) -> str:
    """Return the column of the truth in a file: that of labels where ingest reads a table, else `label`."""
    return str(getattr(ingest, "label", "label"))


def live_rows(log: pd.DataFrame, truth: pd.DataFrame, champion: Champion, run: str) -> LiveRows:
    """Return logged examples, compared with the truth; `run` made the model that serves.

    The score is the accuracy; the coverage is that of the prediction sets of this model.
    """
    ingest: Any = champion.tables["ingest"]
    names = getattr(ingest, "names", {})  # class name of each label in the data
    column = truth_column(ingest)
    rows = with_truth(log, truth.assign(**{TRUTH: truth[TRUTH].replace(names)}), column)
    day = rows[ANSWERED].dt.tz_localize(None)
    rows = rows.assign(**{DAY: day, SCORE: hits(rows, column), **coverage_of_sets(rows, champion, run)})
    own = rows[(rows[RUN] == run) & rows[column].notna()]
    tested = read_predictions(champion.folders["evaluate"], "test")
    drift = Drift(errors=None, inputs=[])
    if len(own):
        drift = combine_signs(
            errors=example_error_drift(1 - own[SCORE].dropna().to_numpy(np.float64), misclassified(tested)),
            inputs=[category_drift("predicted class", own[column], tested["predicted"])],
        )
    return LiveRows(rows, {"predicted class": column}, drift, metric="accuracy")


def hits(rows: pd.DataFrame, column: str) -> npt.NDArray[np.float64]:
    """Return 1 for each row whose class in a column is the truth, 0 for others, NaN where one is not known."""
    known = (rows[TRUTH].notna() & rows[column].notna()).to_numpy()
    return np.where(known, (rows[TRUTH] == rows[column]).to_numpy(np.float64), np.nan)


def coverage_of_sets(rows: pd.DataFrame, champion: Champion, run: str) -> dict[str, Any]:
    """Return `COVERED` and `LEVEL`: whether the prediction sets of a run's model contain the truth."""
    covered, level = np.full(len(rows), np.nan), Decision.read(champion.folders["evaluate"]).coverage
    if level is not None and "set" in rows:
        answered = ((rows[RUN] == run) & rows[TRUTH].notna() & rows["set"].notna()).to_numpy()
        pairs = rows.loc[answered, ["set", TRUTH]].astype("str").itertuples(index=False)
        covered[answered] = [truth in names.split("|") for names, truth in pairs]
    return {COVERED: covered, LEVEL: np.nan if level is None else level}

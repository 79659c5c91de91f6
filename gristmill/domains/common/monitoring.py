"""Live scores of logged predictions of examples, whose truth comes from a file.

`truth_column` and `live_rows` are those of classes of texts and photos.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.predictions import read_predictions
from gristmill.domains.common.retraining import errors_on_test, has_numbers
from gristmill.monitoring.live_rows import LiveRows, with_truth
from gristmill.monitoring.prediction_columns import ANSWERED, COVERED, DAY, LEVEL, RUN, SCORE, TRUTH
from gristmill.retraining.drift import combine_signs
from gristmill.retraining.example_drift import category_drift, example_error_drift, number_drift
from gristmill.runs.retraining_record import Champion, Drift, InputDrift
from gristmill.scores import MODEL


def truth_column(ingest: Any) -> str:
    """Return the column of the truth in a file: that of labels where ingest reads a table, else `label`."""
    return str(getattr(ingest, "label", "label"))


def live_rows(log: pd.DataFrame, truth: pd.DataFrame, champion: Champion, run: str) -> LiveRows:
    """Return logged examples, compared with the truth; `run` made the model that serves."""
    ingest: Any = champion.tables["ingest"]
    names = getattr(ingest, "names", {})  # class name of each label in the data
    column, name = truth_column(ingest), "predicted class"
    truth = truth.assign(**{TRUTH: truth[TRUTH].replace(names)})
    return score_rows(log, truth, champion, run, column=column, name=name, slices={name: column})


def score_rows(
    log: pd.DataFrame,
    truth: pd.DataFrame,
    champion: Champion,
    run: str,
    *,
    column: str,
    name: str,
    slices: Mapping[str, str],
    input_drift: Callable[[pd.DataFrame], list[InputDrift]] = lambda rows: [],
) -> LiveRows:
    """Return logged predictions with their scores.

    The score is the absolute error of a number, or 1 for a class that is right and 0 for another.

    Args:
        log: the logged rows.
        truth: the observed values, by ID.
        champion: the model that serves.
        run: ID of the champion's run.
        column: the prediction in a logged row.
        name: what is predicted, for the drift of the predictions.
        slices: column of each slice, by name.
        input_drift: function that compares the champion's rows with its training data.
    """
    # 1. Score each row: NaN where the prediction or the truth of a class is not known.
    rows = with_truth(log, truth, column)
    tested = read_predictions(champion.folders["evaluate"], "test")
    is_class = not has_numbers(tested)
    if is_class:
        known = (rows[TRUTH].notna() & rows[column].notna()).to_numpy()
        score = np.where(known, (rows[TRUTH] == rows[column]).to_numpy(np.float64), np.nan)
    else:
        score = np.abs(rows[TRUTH].to_numpy(np.float64) - rows[column].to_numpy(np.float64))
    day = rows[ANSWERED].dt.tz_localize(None)
    rows = rows.assign(**{DAY: day, SCORE: score, **coverage_of_sets(rows, champion, run)})

    # 2. Compare errors, predictions and inputs of the champion with its test and training set.
    own = rows[(rows[RUN] == run) & rows[column].notna()]
    drift = Drift(errors=None, inputs=[])
    if len(own):
        scores = own[SCORE].dropna().to_numpy(np.float64)
        if is_class:
            of_predictions = category_drift(name, own[column].astype("str"), tested["predicted"])
        else:
            of_predictions = number_drift(name, own[column].to_numpy(np.float64), tested[MODEL].to_numpy(np.float64))
        errors = example_error_drift(1 - scores if is_class else scores, errors_on_test(tested))
        drift = combine_signs(errors=errors, inputs=[of_predictions, *input_drift(own)])
    return LiveRows(rows, slices, drift, metric="accuracy" if is_class else "mae")


def coverage_of_sets(rows: pd.DataFrame, champion: Champion, run: str) -> dict[str, Any]:
    """Return `COVERED` and `LEVEL`: whether the prediction sets of a run's model contain the truth."""
    covered = np.full(len(rows), np.nan)
    level = Decision.read(champion.folders["evaluate"]).coverage
    if level is not None and "set" in rows:
        answered = ((rows[RUN] == run) & rows[TRUTH].notna() & rows["set"].notna()).to_numpy()
        pairs = rows.loc[answered, ["set", TRUTH]].astype("str").itertuples(index=False)
        covered[answered] = [truth in names.split("|") for names, truth in pairs]
    return {COVERED: covered, LEVEL: np.nan if level is None else level}

"""The truth of logged rows that an id identifies."""

from typing import Any

import pandas as pd

from gristmill.errors import RequestError
from gristmill.monitoring.prediction_columns import ID, RUN, TRUTH


def as_ids(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return ids as text, None for an empty cell; integers that became 3.0 because of empty cells are 3 again."""
    text = column.convert_dtypes().astype("str").astype(object)
    return text.where(column.notna() & (text != ""), None)


class NothingComparable(RequestError):
    """No logged prediction is of the served model's target."""


def not_predicted(column: str) -> NothingComparable:
    """Return the error for a log that has no prediction of the served model's target."""
    return NothingComparable(
        f"no logged prediction has a column {column!r}: all of them were made by models with another target. "
        "Predict with the model that serves."
    )


def with_truth(log: pd.DataFrame, truth: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return logged rows with the truth of their ids. Of several predictions of a model for an id, the last counts.

    Raises:
        NothingComparable: no row has the column of the prediction.
    """
    if column not in log:
        raise not_predicted(column)
    repeated = log[ID].notna() & log.duplicated([RUN, ID], keep="last")
    rows = log[~repeated].reset_index(drop=True)
    return rows.assign(**{TRUTH: rows[ID].map(truth.set_index(ID)[TRUTH])})

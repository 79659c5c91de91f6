"""Scored predictions of a pipeline: their truth, their scores by day, model and slice, and drift."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.errors import RequestError
from gristmill.monitoring.prediction_columns import COVERED, DAY, ID, LEVEL, PERIODS, RUN, SCORE, TRUTH, VERSION
from gristmill.runs.retraining_record import Drift
from gristmill.scores import Scores
from gristmill.util.table_io import as_texts

Values = npt.NDArray[np.float64]
Owners = npt.NDArray[np.int64]

ALL = "all"  # the group of all rows

_HIGHER_IS_BETTER = ("accuracy",)  # of the scores of logged predictions
_MAX_DAYS = 31  # days that are scored one by one; more are scored by month


@dataclass(frozen=True)
class LiveRows:
    """Logged values, compared with the truth."""

    rows: pd.DataFrame  # with `RUN`, `VERSION`, `DAY`, `SCORE`, `COVERED`, `LEVEL` and the slices
    slices: Mapping[str, str]  # name of a slice to its column
    drift: Drift  # of the model that serves
    root: bool = False  # whether the score of a group is the root of the mean
    metric: str | None = None  # name of the score, if it is not the metric of the headline


def score_table(live: LiveRows, metric: str) -> pd.DataFrame:
    """Return one row for each group: `by`, `group`, `predicted`, `scored`, the metric, `coverage`.

    `by` is `all`, `day` or `month`, `version` if there are several, and each slice that has several values.
    There is no coverage of a group whose intervals should cover different shares of the values.
    """
    rows = live.rows
    by_day = rows[DAY].dt.normalize().nunique() <= _MAX_DAYS
    by, pattern = ("day", "%Y-%m-%d") if by_day else ("month", "%Y-%m")
    models = ("v" + rows[VERSION].astype("string")).fillna("run " + rows[RUN].astype("string"))
    slices = [("version", models), *((name, rows[column]) for name, column in live.slices.items())]
    groupings = [(ALL, pd.Series("", rows.index)), (by, rows[DAY].dt.strftime(pattern))]
    groupings += [(name, groups) for name, groups in slices if groups.nunique() > 1]
    tables = []
    for name, groups in groupings:
        owners, names = pd.factorize(groups, sort=True)
        tables.append(_scores(live, name, owners, list(names), metric))
    return pd.concat(tables, ignore_index=True)


def served_scores(live: LiveRows, metric: str, run: str, name: str) -> pd.DataFrame:
    """Return one row as in `score_table`, for the model that serves: `run` made it, `name` is its group."""
    owners = np.where(live.rows[RUN] == run, 0, -1)
    return _scores(live, "serving", owners, [name], metric)


def _scores(live: LiveRows, by: str, owners: Owners, names: Sequence[str], metric: str) -> pd.DataFrame:
    """Return one row for each name; `owners` has the position of each row's name, -1 for none."""
    score, covered = (live.rows[name].to_numpy(np.float64) for name in (SCORE, COVERED))
    scored, means = _means(owners, score, len(names))
    levels = live.rows[LEVEL].where(~np.isnan(covered)).groupby(owners).nunique().reindex(range(len(names)))
    return pd.DataFrame(
        {
            "by": by,
            "group": pd.Index(names).astype("str"),
            "predicted": np.bincount(owners[owners >= 0], minlength=len(names)),
            "scored": scored,
            metric: np.sqrt(means) if live.root else means,
            "coverage": np.where(levels > 1, np.nan, _means(owners, covered, len(names))[1]),
        }
    )


def _means(owners: Owners, values: Values, count: int) -> tuple[Owners, Values]:
    """Return the number of known values of each group, and their mean, NaN if there are none."""
    chosen = ~np.isnan(values) & (owners >= 0)
    counts = np.bincount(owners[chosen], minlength=count)
    known = values[chosen]  # of a single group, NumPy sums in pairs, as evaluate does
    sums = known.sum(keepdims=True) if count == 1 else np.bincount(owners[chosen], known, count)
    return counts, np.divide(sums, counts, out=np.full(count, np.nan), where=counts > 0)


@dataclass(frozen=True)
class Monitoring:
    """Scores of logged predictions, next to those on the test set."""

    pipeline: str
    first: datetime  # time of the first answer
    table: pd.DataFrame  # of `score_table`
    served: pd.DataFrame  # of `served_scores`
    scores: Scores  # of the model that serves, on its test set
    drift: Drift
    metric: str  # of the tables

    @property
    def tested(self) -> dict[str, float | None]:
        """Score and coverage on the test set; None for one that does not exist."""
        return {name: self.scores.model["test"].get(name) for name in (self.metric, "coverage")}

    @property
    def headline(self) -> str:
        """Number of predicted values, and of those that are scored."""
        predicted, scored = self.table.loc[0, ["predicted", "scored"]]
        return f"{self.pipeline}: {predicted:,} predicted values since {self.first:%Y-%m-%d}, {scored:,} of them scored"

    def groups(self, limit: int) -> list[tuple[str, pd.DataFrame]]:
        """Return at most so many groups of each kind, by kind: the last scored days or months, the worst of others."""
        shown, ascending = [], self.metric in _HIGHER_IS_BETTER
        for by, groups in self.table.iloc[1:].groupby("by", sort=False):
            if by in PERIODS:
                scored = groups[groups["scored"] > 0]
                groups = (scored if len(scored) else groups).tail(limit)
            else:
                groups = groups.sort_values(self.metric, ascending=ascending, kind="stable").head(limit)
            shown.append((str(by), groups))
        return shown

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        table = pd.concat([self.table, self.served]).astype(object)
        table = table.where(table.notna(), None).replace([math.inf], "inf")  # JSON has no such number
        *groups, serving = table.to_dict("records")
        drift = self.drift.model_dump(mode="json") | {"alarms": self.drift.alarms}
        about = {"pipeline": self.pipeline, "metric": self.metric, "since": self.first.isoformat()}
        return about | {"serving": serving, "tested": self.tested, "groups": groups, "drift": drift}


def as_ids(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return ids as text, None for an empty cell."""
    text = as_texts(column).astype(object)
    return text.where(column.notna() & (text != ""), None)


class NothingComparable(RequestError):
    """No logged prediction is of the served model's target."""

    def __init__(self, column: str) -> None:
        super().__init__(
            f"no logged prediction has a column {column!r}: all of them were made by models with another target. "
            "Predict with the model that serves."
        )


def with_truth(log: pd.DataFrame, truth: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return logged rows with the truth of their ids. Of several predictions of a model for an id, the last counts.

    Raises:
        NothingComparable: no row has the column of the prediction.
    """
    if column not in log:
        raise NothingComparable(column)
    repeated = log[ID].notna() & log.duplicated([RUN, ID], keep="last")
    rows = log[~repeated].reset_index(drop=True)
    return rows.assign(**{TRUTH: rows[ID].map(truth.set_index(ID)[TRUTH])})

"""Scores and drift of a pipeline's logged predictions."""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from gristmill.monitoring.prediction_columns import PERIODS
from gristmill.runs.retraining_record import Drift
from gristmill.runs.scores import Scores


@dataclass(frozen=True)
class Monitoring:
    """Scores of logged predictions, next to those on the test set."""

    pipeline: str
    first: datetime  # time of the first answer
    table: pd.DataFrame  # of `score_table`
    scores: Scores  # of the model that serves, on its test set
    drift: Drift

    @property
    def metric(self) -> str:
        """The metric of the scores."""
        return self.scores.metric

    @property
    def tested(self) -> dict[str, float | None]:
        """Score and coverage on the test set; None for one that does not exist."""
        return {self.metric: self.scores.test, "coverage": self.scores.model["test"].get("coverage")}

    @property
    def headline(self) -> str:
        """Number of predicted values, and of those that are scored."""
        predicted, scored = self.table.loc[0, ["predicted", "scored"]]
        return f"{self.pipeline}: {predicted:,} predicted values since {self.first:%Y-%m-%d}, {scored:,} of them scored"

    def groups(self, most: int) -> list[tuple[str, pd.DataFrame]]:
        """Return at most so many groups of each kind, by kind: the last days or months, and the worst of the others."""
        found = []
        for by, groups in self.table.iloc[1:].groupby("by", sort=False):
            if by not in PERIODS:
                groups = groups.sort_values(self.metric, ascending=self.scores.higher_is_better, kind="stable")
            found.append((str(by), groups.tail(most) if by in PERIODS else groups.head(most)))
        return found

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        table = self.table.astype(object).where(self.table.notna(), None)
        groups = table.replace([math.inf], "inf").to_dict("records")  # JSON has no such number
        drift = self.drift.model_dump(mode="json") | {"alarms": self.drift.alarms}
        about = {"pipeline": self.pipeline, "metric": self.metric, "since": self.first.isoformat()}
        return about | {"tested": self.tested, "groups": groups, "drift": drift}

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
    served: pd.DataFrame  # of `served_scores`
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
        """Return at most so many groups of each kind, by kind: the last scored days or months, the worst of others."""
        found = []
        for by, groups in self.table.iloc[1:].groupby("by", sort=False):
            if by in PERIODS:
                scored = groups[groups["scored"] > 0]
                shown = (scored if len(scored) else groups).tail(most)
            else:
                shown = groups.sort_values(self.metric, ascending=self.scores.higher_is_better, kind="stable").head(
                    most
                )
            found.append((str(by), shown))
        return found

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        table = pd.concat([self.table, self.served]).astype(object)
        table = table.where(table.notna(), None).replace([math.inf], "inf")  # JSON has no such number
        *groups, serving = table.to_dict("records")
        drift = self.drift.model_dump(mode="json") | {"alarms": self.drift.alarms}
        about = {"pipeline": self.pipeline, "metric": self.metric, "since": self.first.isoformat()}
        return about | {"serving": serving, "tested": self.tested, "groups": groups, "drift": drift}

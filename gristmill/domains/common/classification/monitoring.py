"""Live scores of predicted classes of texts and photos."""

from typing import Any

import pandas as pd

from gristmill.domains.common import monitoring
from gristmill.monitoring.live_rows import LiveRows
from gristmill.monitoring.prediction_columns import TRUTH
from gristmill.runs.retraining_record import Champion


def truth_column(ingest: Any) -> str:
    """Return the column of the truth in a file: that of labels where ingest reads a table, else `label`."""
    return str(getattr(ingest, "label", "label"))


def live_rows(log: pd.DataFrame, truth: pd.DataFrame, champion: Champion, run: str) -> LiveRows:
    """Return logged examples, compared with the truth; `run` made the model that serves."""
    ingest: Any = champion.tables["ingest"]
    names = getattr(ingest, "names", {})  # class name of each label in the data
    column, name = truth_column(ingest), "predicted class"
    truth = truth.assign(**{TRUTH: truth[TRUTH].replace(names)})
    return monitoring.live_rows(log, truth, champion, run, column=column, name=name, slices={name: column})

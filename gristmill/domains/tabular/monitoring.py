"""Live scores of predicted rows of a table."""

from typing import Any

import pandas as pd

from gristmill.domains.common import monitoring
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.columns import as_text
from gristmill.monitoring.live_rows import LiveRows
from gristmill.retraining.example_drift import input_drift
from gristmill.runs.retraining_record import Champion
from gristmill.util.columns import with_columns


def truth_column(ingest: Any) -> str:
    """Return the column of the truth in a file."""
    return str(ingest.target)


def live_rows(log: pd.DataFrame, truth: pd.DataFrame, champion: Champion, run: str) -> LiveRows:
    """Return logged rows, compared with the truth; `run` made the model that serves."""
    known = dataset.read(champion.folders["preprocess"])
    layout, trained = known.layout, known.table[known.parts == "train"]
    slices = {name: name for name in layout.categories if name in log}
    return monitoring.score_rows(
        with_columns(log, {name: as_text(log[name]) for name in slices}),  # of empty cells too, as in the training data
        truth,
        champion,
        run,
        column=layout.target,
        name=f"predicted {layout.target}",
        slices=slices,
        input_drift=lambda rows: input_drift(rows, trained, layout.numbers, layout.categories),
    )

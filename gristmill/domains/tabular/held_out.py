"""Held-out predictions: of rows that a model was not fitted on (`folds.py`)."""

from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.common.folds import LearningSet, Positions
from gristmill.domains.tabular.dataset import Prepared, Values
from gristmill.util.table_io import read_table, write_table

FILE = "validation.parquet"


def learning_set(data: Prepared) -> LearningSet:
    """Return the rows to learn from, by their positions in the table."""
    return LearningSet(*(np.flatnonzero(data.parts == part) for part in ("train", "validation")))


def write(rows: Positions, predicted: Values, out: Path) -> None:
    """Write held-out predictions, in the order of the table."""
    order = np.argsort(rows)
    write_table(out / FILE, pd.DataFrame({"row": rows[order], "prediction": predicted[order]}))


def read(folder: Path) -> "pd.Series[float]":
    """Return the held-out predictions of a model by the position of the row."""
    return read_table(folder / FILE).set_index("row")["prediction"]

"""Held-out predictions: of rows that were held out of a model's training (`folds.py`)."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.held_out import FILE
from gristmill.domains.common.folds import LearningSet, Positions
from gristmill.domains.common.sampling import sample_positions
from gristmill.domains.tabular.dataset import Prepared, Values
from gristmill.util.table_io import read_table, write_table

logger = logging.getLogger(__name__)


def learning_set(data: Prepared) -> LearningSet:
    """Return the positions in the table of the training and validation rows."""
    both = np.sort(np.concatenate([data.at("train"), data.at("validation")]))
    groups = None if data.groups is None else data.groups[both]
    labels = data.labels[both] if data.layout.classes else None
    return LearningSet(data.at("train"), data.at("validation"), labels, groups, data.layout.ordered)


def sample_training(data: Prepared, most: int) -> Positions:
    """Return the positions of the training rows, or of a sample of so many of them; the log tells of a sample."""
    rows = data.at("train")
    if len(rows) > most:
        logger.info("fitted on a sample of %s of %s rows", f"{most:,}", f"{len(rows):,}")
    return rows[sample_positions(len(rows), most, data.labels[rows] if data.layout.classes else None)]


def write(data: Prepared, rows: Positions, predicted: Values, out: Path) -> None:
    """Write held-out predictions, in the order of the table: `row`, `position` in the table and `prediction`.

    Of classes, `id` (the row), `label` and `p_<class>`, as all classifiers write them.
    """
    order = np.argsort(rows)
    rows, predicted = rows[order], predicted[order]
    if not data.layout.classes:
        table = pd.DataFrame({"row": data.ids[rows], "position": rows, "prediction": predicted})
        write_table(out / FILE, table)
        return
    names = np.array(data.layout.classes, object)
    table = pd.DataFrame({"id": data.ids[rows], "label": names[data.labels[rows]]})
    write_table(out / FILE, table.join(pd.DataFrame(predicted, columns=[f"p_{name}" for name in names])))


def read(folder: Path) -> "pd.Series[float]":
    """Return the held-out predictions of numbers by the position of the row."""
    return read_table(folder / FILE).set_index("position")["prediction"]

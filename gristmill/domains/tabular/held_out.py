"""Held-out predictions: of rows that were held out of a model's training (`folds.py`)."""

from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.held_out import FILE
from gristmill.domains.common.folds import Positions
from gristmill.domains.tabular.dataset import Prepared, Values
from gristmill.util.table_io import read_table, write_table


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

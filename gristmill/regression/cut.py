"""Prepared rows, cut to some to train on and none to judge on: what `gristmill check` trains on."""

from dataclasses import replace

import numpy as np

from gristmill.checks.few import FEW, Folders
from gristmill.regression import prepared


def cut(folders: Folders, out: Folders, most: int | None = None) -> None:
    """Write rows from all over the training part.

    Args:
        folders: of what train reads.
        out: empty folders of the same names.
        most: rows; if None, no more than a network can learn by heart whatever its size: a plane meets a row more than
            there are features.
    """
    data = prepared.read(folders["preprocess"])
    rows = np.flatnonzero(data.parts == "train")
    count = min(len(rows), most or min(FEW, data.layout.features + 1))
    rows = rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
    few = replace(data, table=data.table.iloc[rows].reset_index(drop=True), parts=data.parts[rows])
    prepared.write(few, out["preprocess"])

"""Prepared rows, cut to some to train on and none to judge on: what `gristmill check` trains on."""

from dataclasses import replace

import numpy as np

from gristmill.domains.common.few_examples import (
    OVERFIT_EXAMPLES,
    Folders,
    Positions,
    affinely_independent_rows,
    evenly_spaced,
)
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Prepared, raw_inputs
from gristmill.domains.tabular.encoder import encoded


def cut(folders: Folders, out: Folders, most: int | None = None) -> None:
    """Write rows from all over the training part.

    Args:
        folders: of what train reads.
        out: empty folders of the same names.
        most: rows; if None, no more than a network can learn by heart whatever its size: those that a plane meets.
    """
    data = dataset.read(folders["preprocess"])
    rows = np.flatnonzero(data.parts == "train")
    rows = rows[evenly_spaced(len(rows), most)] if most else rows[_few(data, rows)]
    few = replace(data, table=data.table.iloc[rows].reset_index(drop=True), parts=data.parts[rows])
    dataset.write(few, out["preprocess"])


def _few(data: Prepared, rows: Positions) -> Positions:
    """Return the positions, among some rows, of few that differ in what a network sees of them."""
    numbers, categories = data.layout.numbers, list(data.layout.categories)
    seen = data.table[[*numbers, *categories]].iloc[rows]
    different = np.flatnonzero(~seen.duplicated())
    different = different[evenly_spaced(len(different), OVERFIT_EXAMPLES)]
    inputs = raw_inputs(seen.iloc[different], numbers, categories)
    return different[affinely_independent_rows(encoded(inputs, data.layout))]

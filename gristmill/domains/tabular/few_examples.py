"""A few training rows of the prepared table, for `gristmill check`."""

from dataclasses import replace

import numpy as np

from gristmill.domains.common.few_examples import OVERFIT_EXAMPLES, Folders, affinely_independent_rows
from gristmill.domains.common.folds import Positions
from gristmill.domains.common.sampling import evenly_spaced
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import Prepared
from gristmill.domains.tabular.encoder import encode


def cut(folders: Folders, out: Folders, limit: int | None = None) -> None:
    """Write `limit` evenly spaced rows of the training set to folders with the names that train reads.

    If `limit` is None, write few enough for any network to memorise: a plane passes through all of them.
    """
    data = dataset.read(folders["preprocess"])
    rows = data.at("train")
    rows = rows[evenly_spaced(len(rows), limit)] if limit else rows[_independent(data, rows)]
    dataset.write(replace(data.only(rows), groups=None), out["preprocess"])


def _independent(data: Prepared, rows: Positions) -> Positions:
    """Return the positions, among some rows, of a few whose network inputs are affinely independent."""
    inputs = data.table[data.layout.columns].iloc[rows]
    distinct = np.flatnonzero(~inputs.duplicated())
    distinct = distinct[evenly_spaced(len(distinct), OVERFIT_EXAMPLES)]
    return distinct[affinely_independent_rows(encode(data.layout.inputs(inputs.iloc[distinct]), data.layout))]

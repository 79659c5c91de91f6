"""A few training rows of the prepared table, for `gristmill check`."""

from dataclasses import replace

from gristmill.domains.common.few_examples import OVERFIT_EXAMPLES, Folders, affinely_independent_rows
from gristmill.domains.common.sampling import evenly_spaced
from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.encoder import encode


def take_few_examples(folders: Folders, out: Folders, limit: int | None = None) -> None:
    """Write `limit` evenly spaced rows of the training set to folders with the names that train reads.

    If `limit` is None, write few enough for any network to memorise: a plane passes through all of them.
    """
    data = dataset.read(folders["preprocess"])
    rows = data.at("train")
    if limit is None:
        rows = rows[~data.table[data.layout.columns].iloc[rows].duplicated()]
    rows = rows[evenly_spaced(len(rows), limit or OVERFIT_EXAMPLES)]
    if limit is None:
        rows = rows[affinely_independent_rows(encode(data.inputs_at(rows), data.layout))]
    dataset.write(replace(data.only(rows), groups=None), out["preprocess"])

"""Predict: the target of a file's rows, by an exported bundle."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.tabular.dataset import raw_inputs
from gristmill.domains.tabular.ingest import TableSource, complete, whole_rows
from gristmill.domains.tabular.settings import Ingest, Preprocess
from gristmill.export import bundle
from gristmill.sources.rows import Rows
from gristmill.util.table_io import read_document, read_table

logger = logging.getLogger(__name__)


def predict(
    *,
    source: TableSource,
    ingest: Ingest,
    preprocess: Preprocess,
    paths: tuple[Path, ...],
    export: Path,
    scratch: Path,
    ingested: Path | None = None,
) -> pd.DataFrame:
    """Return the rows' columns, and the prediction in a column of the target's name.

    Each row stays where it was: one with an empty cell, which is none to learn from, has no prediction (NaN). How many
    those are is said in the log.

    Args:
        source: how to read the files; the pipeline's own.
        ingest: what their columns mean; the target need not be there, and is not read.
        preprocess: not used, for its state is in the bundle.
        paths: files with rows to predict.
        export: folder of the verified bundle.
        scratch: not used.
        ingested: folder of a table that is ingested already, in place of files.

    Raises:
        DataError: a file cannot be read, lacks a value in each row, or in any where `ingest.missing` allows none.
    """
    rows = source.read(paths, ingest.categories, ingest.numbers) if ingested is None else _stored(ingested, ingest)
    sound, whole = complete(rows, ingest), whole_rows(rows, ingest)
    form = read_document(export / "signature.json")["formats"][0]
    predicted = np.full(len(sound), np.nan, np.float32)
    predicted[sound] = bundle.load(export, form)(raw_inputs(whole, list(ingest.numbers), list(ingest.categories)))[:, 0]
    if left_out := int((~sound).sum()):
        logger.warning("%d of %d rows have an empty cell and no prediction", left_out, len(sound))
    columns = rows.frame[[*ingest.numbers, *ingest.categories]].reset_index(drop=True)
    for name in ingest.categories:
        columns[name] = columns[name].convert_dtypes()  # integers beside an empty cell had become 3.0
    return columns.assign(**{ingest.target: predicted})


def _stored(ingested: Path, ingest: Ingest) -> Rows:
    """Return the columns to predict from of an ingested table."""
    return Rows(read_table(ingested / "table.parquet")[[*ingest.numbers, *ingest.categories]])

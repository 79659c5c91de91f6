"""Predict: the target of a file's rows, by an exported bundle."""

from pathlib import Path

import pandas as pd

from gristmill import bundle
from gristmill.regression.ingest import TableSource, whole_rows
from gristmill.regression.prepared import raw_inputs
from gristmill.regression.settings import Ingest, Preprocess
from gristmill.tables import read_document


def predict(
    *,
    source: TableSource,
    ingest: Ingest,
    preprocess: Preprocess,
    paths: tuple[Path, ...],
    export: Path,
    scratch: Path,
) -> pd.DataFrame:
    """Return the rows' columns, and the prediction in a column of the target's name.

    Args:
        source: how to read the files; the pipeline's own.
        ingest: what their columns mean; the target need not be there, and is not read.
        preprocess: not used, for its state is in the bundle.
        paths: files with rows to predict.
        export: folder of the verified bundle.
        scratch: not used.

    Raises:
        DataError: a file cannot be read, or lacks a value.
    """
    rows = whole_rows(source.read(paths, ingest.categories, ingest.numbers), ingest)
    form = read_document(export / "signature.json")["formats"][0]
    columns = rows[[*ingest.numbers, *ingest.categories]].reset_index(drop=True)
    made = bundle.load(export, form)(raw_inputs(columns, list(ingest.numbers), list(ingest.categories)))
    return columns.assign(**{ingest.target: made[:, 0]})

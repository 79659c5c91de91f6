"""Predict: the target of the rows of a file, by an exported bundle."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.tabular.dataset import raw_inputs
from gristmill.domains.tabular.ingest import complete_rows
from gristmill.domains.tabular.settings import Ingest
from gristmill.export import bundle
from gristmill.monitoring.prediction_columns import PREDICTED
from gristmill.sources.rows import Rows, TableSource
from gristmill.util.table_io import read_table

logger = logging.getLogger(__name__)


def predict(
    *,
    source: TableSource,
    ingest: Ingest,
    paths: tuple[Path, ...],
    export: Path,
    ingested: Path | None = None,
    id_column: str | None = None,
) -> pd.DataFrame:
    """Return the columns of all rows, and their prediction in the column `predicted`.

    Rows come from `paths`, where the target is not read and may be missing, or from the ingest artifact `ingested`. The
    prediction of a row with an empty cell is NaN; the log says how many there are. The column that identifies a row
    comes first; an ingest artifact does not have it.

    Raises:
        DataError: a file cannot be read, an empty cell is not allowed by `ingest.missing`, or every row has one.
    """
    inputs, more = [*ingest.numbers, *ingest.categories], [id_column] if id_column and ingested is None else []
    if ingested is None:
        found = source.read(paths, [*ingest.categories, *more], ingest.numbers)
    else:
        found = Rows(read_table(ingested / "table.parquet", inputs))
    rows = replace(found, frame=found.frame[inputs])
    table, complete = complete_rows(rows, ingest)
    model = bundle.load(export)
    predicted = np.full(len(complete), np.nan, np.float32)
    predicted[complete] = model(raw_inputs(table, list(ingest.numbers), list(ingest.categories)))[:, 0]
    if incomplete := int((~complete).sum()):
        logger.warning("%d of %d rows have an empty cell and no prediction", incomplete, len(complete))
    columns = found.frame[list(dict.fromkeys([*more, *inputs]))].reset_index(drop=True)
    for name in ingest.categories:
        columns[name] = columns[name].convert_dtypes()  # pandas reads integers next to an empty cell as 3.0
    return columns.assign(**{PREDICTED: predicted})

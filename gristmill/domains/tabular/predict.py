"""Predict: the target of the rows of a file, by an exported bundle."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.decision import Decision
from gristmill.domains.common.classification.predictions import predicted_classes
from gristmill.domains.tabular.columns import read_columns
from gristmill.domains.tabular.dataset import raw_inputs
from gristmill.domains.tabular.settings import Ingest
from gristmill.export import bundle
from gristmill.monitoring.prediction_columns import PREDICTED
from gristmill.sources.rows import Rows, TableSource
from gristmill.util.table_io import read_document, read_table


def predict(
    *,
    source: TableSource,
    ingest: Ingest,
    paths: tuple[Path, ...],
    export: Path,
    ingested: Path | None = None,
    id_column: str | None = None,
) -> pd.DataFrame:
    """Return the columns that the model reads, of all rows, and their prediction in the column `predicted`.

    Of classes, `probability`, `set` and `p_<class>` follow. Rows come from `paths`, where the target is not read and
    may be missing, or from the ingest artifact `ingested`. The column that identifies a row comes first; an ingest
    artifact does not have it.

    Raises:
        DataError: a file cannot be read.
    """
    signature: dict[str, Any] = read_document(export / "signature.json")
    columns = {role: taken["columns"] for role, taken in signature["inputs"].items()}
    inputs = [name for names in columns.values() for name in names]
    more = [id_column] if id_column and ingested is None else []
    if ingested is None:
        numbers = columns.get("numbers", [])
        found = source.read(paths, [*(name for name in inputs if name not in numbers), *more], numbers)
    else:
        found = Rows(read_table(ingested / "table.parquet", inputs))
    rows = replace(found, frame=found.frame[inputs])
    predicted = bundle.load(export)(raw_inputs(read_columns(rows, ingest), columns))
    shown = found.frame[list(dict.fromkeys([*more, *inputs]))].reset_index(drop=True)
    for name in columns.get("categories", []):
        shown[name] = shown[name].convert_dtypes()  # pandas reads integers next to an empty cell as 3.0
    if not signature.get("classes"):
        return shown.assign(**{PREDICTED: predicted[:, 0]})
    examples = {str(name): shown[name].tolist() for name in shown}
    return predicted_classes(examples, predicted.astype(np.float64), signature["classes"], Decision.read(export))

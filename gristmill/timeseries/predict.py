"""Predict: the values after a file's last row, by an exported bundle."""

from pathlib import Path

import numpy as np
import pandas as pd

from gristmill import bundle
from gristmill.errors import DataError
from gristmill.tables import read_document, read_table
from gristmill.timeseries.ingest import TableSource, ingest
from gristmill.timeseries.settings import Ingest


def predict(
    *, source: TableSource, settings: Ingest, path: Path, export: Path, scratch: Path, steps: int | None = None
) -> pd.DataFrame:
    """Return `ds` and `forecast` for the steps after the last row of `path`.

    Beyond the model's horizon each forecast is fed back as if it had been observed.

    Args:
        source: how to read the file; the pipeline's own.
        settings: what its columns mean; the frequency comes from the bundle.
        path: the file with at least `history` rows.
        export: folder of the verified bundle.
        scratch: an empty folder for the ingested series.
        steps: how many values to forecast; the model's horizon if not set.

    Raises:
        DataError: the file cannot be read or is shorter than the model's history.
    """
    signature = read_document(export / "signature.json")
    ingest(
        source=source, ingest=settings.model_copy(update={"frequency": signature["frequency"]}), path=path, out=scratch
    )
    series = read_table(scratch / "series.parquet")
    history, horizon = signature["history"], signature["horizon"]
    if len(series) < history:
        raise DataError(f"{path}: {len(series)} rows, but the model sees {history}. Give it at least as many.")
    steps = steps or horizon
    forecast = bundle.load(export, signature["formats"][0])
    values = series["y"].to_numpy(np.float32)[-history:]
    while len(values) < history + steps:
        values = np.append(values, forecast(values[np.newaxis, -history:])[0])
    times = pd.date_range(series["ds"].iloc[-1], periods=steps + 1, freq=signature["frequency"])[1:]
    return pd.DataFrame({"ds": times, "forecast": values[history : history + steps]})

"""Retraining on photos: new photos, drift, and the errors of champion, challenger and baselines."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.classification.retraining import ClassifierRetraining, NewExamples
from gristmill.domains.vision.decode import decode_ingested
from gristmill.domains.vision.predict import classify, exported_layout
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.retraining.example_drift import number_drift
from gristmill.runs.retraining_record import InputDrift

_MAX_BRIGHTNESSES = 1_000  # photos whose brightness is compared, evenly spaced


def _classify(export: Path, ingest: Path, rows: pd.DataFrame) -> Probabilities:
    """Return the probabilities that a champion's bundle gives of ingested photos, in its own size."""
    bundle = LoadedBundle(export)
    return classify(bundle, decode_ingested(ingest, rows, exported_layout(bundle))).astype(np.float64)


def _input_drift(new: NewExamples) -> list[InputDrift]:
    """Compare the brightness of photos with that of the champion's test set."""
    export = new.champion["export"]
    known = _brightness(new.known.folder, new.known.rows, export)
    return [number_drift("brightness", _brightness(new.now.folder, new.rows, export), known)]


def _brightness(ingest: Path, rows: pd.DataFrame, export: Path) -> npt.NDArray[np.float64]:
    """Return the mean of all pixels of each photo, 0 to 255."""
    some = rows.iloc[:: -(-len(rows) // _MAX_BRIGHTNESSES)]
    return np.array([pixels.mean() for pixels in decode_ingested(ingest, some, exported_layout(LoadedBundle(export)))])


RETRAINING = ClassifierRetraining("index.parquet", "sha256", _classify, _input_drift)

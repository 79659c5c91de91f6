"""Retraining on photos: new photos, drift, and the errors of champion, challenger and baselines."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.classification.retraining import ClassifierRetraining, IngestedExamples
from gristmill.domains.vision.decode import decode_ingested
from gristmill.domains.vision.predict import classify, exported_layout
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.retraining.example_drift import number_drift
from gristmill.runs.retraining_record import Folders, InputDrift

_MAX_BRIGHTNESSES = 1_000  # photos whose brightness is compared, evenly spaced


class PhotoRetraining(ClassifierRetraining):
    """Retraining on photos."""

    table, content = "index.parquet", "sha256"

    def classify(self, export: Path, ingest: Path, rows: pd.DataFrame) -> Probabilities:
        """Return the probabilities that a champion's bundle gives of ingested photos, in its own size."""
        bundle = LoadedBundle(export)
        return classify(bundle, decode_ingested(ingest, rows, exported_layout(bundle))).astype(np.float64)

    def content_drift(self, new: IngestedExamples, tested: IngestedExamples, champion: Folders) -> list[InputDrift]:
        """Compare the brightness of new photos with that of the champion's test set."""
        now, before = (_brightness(one.folder, one.rows, champion["export"]) for one in (new, tested))
        return [number_drift("brightness", now, before)]


def _brightness(ingest: Path, rows: pd.DataFrame, export: Path) -> npt.NDArray[np.float64]:
    """Return the mean of all pixels of each photo, 0 to 255."""
    some = rows.iloc[:: -(-len(rows) // _MAX_BRIGHTNESSES)]
    return np.array([pixels.mean() for pixels in decode_ingested(ingest, some, exported_layout(LoadedBundle(export)))])


RETRAINING = PhotoRetraining()

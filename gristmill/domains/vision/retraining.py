"""Retraining on photos: new photos, drift, and the errors of champion, challenger and baselines."""

from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.retraining import ClassifierRetraining, IngestedExamples
from gristmill.domains.vision.decode import decode_ingested
from gristmill.domains.vision.predict import classify, exported_layout
from gristmill.export.loaded_bundle import LoadedBundle
from gristmill.retraining.example_drift import number_drift
from gristmill.runs.retraining_record import Folders, InputDrift


class PhotoRetraining(ClassifierRetraining):
    """Retraining on photos."""

    table, content = "index.parquet", "sha256"

    def classify(self, export: Path, ingest: Path, rows: pd.DataFrame) -> Probabilities:
        """Return the probabilities that a champion's bundle gives of ingested photos, in its own size."""
        bundle = LoadedBundle(export)
        probabilities, _ = classify(bundle, decode_ingested(ingest, rows, exported_layout(bundle)))
        return probabilities.astype(np.float64)

    def content_drift(self, new: IngestedExamples, tested: IngestedExamples, champion: Folders) -> list[InputDrift]:
        """Compare the brightness of about 1,000 new photos, 0 to 255, with that of the champion's test set."""
        layout = exported_layout(LoadedBundle(champion["export"]))
        brightness = []
        for examples in (new, tested):
            sample = examples.rows.iloc[:: -(-len(examples.rows) // 1_000)]
            photos = decode_ingested(examples.folder, sample, layout)
            brightness.append(np.array([pixels.mean() for pixels in photos]))
        return [number_drift("brightness", *brightness)]


RETRAINING = PhotoRetraining()

"""Retraining of text classifiers: new texts, the champion's errors on them, and the comparison with a challenger."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.retraining import ClassifierRetraining, IngestedExamples
from gristmill.domains.text.tokens import UNKNOWN
from gristmill.export import bundle
from gristmill.retraining.example_drift import share_drift
from gristmill.runs.retraining_record import Folders, InputDrift

if TYPE_CHECKING:
    pass


class TextRetraining(ClassifierRetraining):
    """Retraining on texts."""

    table, content = "texts.parquet", "text"

    def classify(self, export: Path, ingest: Path, rows: pd.DataFrame) -> Probabilities:
        """Return the probabilities that a champion's bundle predicts for raw texts."""
        return bundle.load(export)(rows["text"].to_numpy(object)).astype(np.float64)

    def content_drift(self, new: IngestedExamples, tested: IngestedExamples, champion: Folders) -> list[InputDrift]:
        """Compare the unknown tokens of new texts with those of the champion's test set."""
        from gristmill.domains.text import tokenizer as tokenizers  # TensorFlow is needed only for new texts

        tokenizer = tokenizers.read(champion["preprocess"])
        shares = []  # of unknown tokens in each text; 0 for a text without tokens
        for examples in (new, tested):
            tokens = tokenizers.encode_texts(tokenizer, examples.rows["text"].tolist())
            counts = np.bincount(tokens.owners, tokens.values == UNKNOWN, len(tokens))
            shares.append(counts / np.maximum(tokens.lengths, 1))
        now, before = shares
        return [share_drift("unknown tokens", now, before)]


RETRAINING = TextRetraining()

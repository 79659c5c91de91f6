"""Predicted class probabilities of a network, and the raw texts of each part."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.text.dataset import Prepared
from gristmill.util.table_io import read_table

if TYPE_CHECKING:
    import keras

_BATCH_SIZE = 256


def probabilities_of(network: "keras.Model", data: Prepared, part: str) -> Probabilities:
    """Return a network's predicted probabilities for a part: (texts, classes).

    A network that takes any length gets texts of similar length together, which saves most of the padding.
    """
    sequences, layout = data.sequences(part), data.layout
    fixed = network.input_shape[1] is not None
    order = np.arange(len(sequences)) if fixed else np.argsort(sequences.lengths, kind="stable")
    probabilities = np.zeros((len(sequences), len(data.classes)))
    for begin in range(0, len(order), _BATCH_SIZE):
        rows = order[begin : begin + _BATCH_SIZE]
        batch = sequences.taken(rows)
        width = layout.length if fixed else max(1, int(batch.lengths.max()))
        probabilities[rows] = network.predict_on_batch(batch.padded(width, layout.pad))
    return probabilities


def texts_of(data: LabelledDataset, parts: Sequence[str], ingest: Path) -> dict[str, list[str]]:
    """Return the raw texts of each part, in the order of the index, from the ingest artifact."""
    texts = read_table(ingest / "texts.parquet").set_index("id")["text"]
    return {part: texts.loc[data.rows(part)["id"]].tolist() for part in parts}

"""A network's probabilities of the classes, text by text, and the raw texts behind them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gristmill.domains.common.classification.labelled import LabelledDataset
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.text.dataset import Prepared
from gristmill.domains.text.sequences import TokenIds
from gristmill.util.table_io import read_table

if TYPE_CHECKING:
    import keras

_BATCH = 256  # texts


def probabilities_of(network: "keras.Model", data: Prepared, part: str) -> Probabilities:
    """Return a network's probabilities of a part, batch by batch: (texts, classes).

    A network that takes any length is given texts of like length together, which saves most of the padding.
    """
    made = np.zeros((len(data.rows(part)), len(data.classes)))
    for rows, tokens in _batches(data, part, fixed=network.input_shape[1] is not None):
        made[rows] = network.predict_on_batch(tokens)
    return made


def texts_of(data: LabelledDataset, parts: Sequence[str], ingest: Path) -> dict[str, list[str]]:
    """Return the raw texts of each part in the order of the index, from the folder of `ingest`."""
    texts = read_table(ingest / "texts.parquet").set_index("id")["text"]
    return {part: texts.loc[data.rows(part)["id"]].tolist() for part in parts}


def _batches(data: Prepared, part: str, *, fixed: bool) -> Iterator[tuple[npt.NDArray[np.int64], TokenIds]]:
    """Yield positions of texts and their tokens, padded to the layout's length or to the longest of the batch."""
    sequences, layout = data.sequences(part), data.layout
    order = np.arange(len(sequences)) if fixed else np.argsort(sequences.lengths, kind="stable")
    for begin in range(0, len(order), _BATCH):
        rows = order[begin : begin + _BATCH]
        batch = sequences.taken(rows)
        width = layout.length if fixed else max(1, int(batch.lengths.max()))
        yield rows, batch.padded(width, layout.pad)

"""Held-out predictions of a classifier: for examples that were held out of its training (`folds.py`)."""

from pathlib import Path

import numpy as np
import pandas as pd

from gristmill.domains.common.classification.labelled import TOGETHER, LabelledDataset, Labels
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.domains.common.folds import LearningSet, Positions
from gristmill.errors import CorruptArtifact
from gristmill.util.table_io import read_table, write_table

FILE = "validation.parquet"


def learning_rows(data: LabelledDataset) -> pd.DataFrame:
    """Return the rows of the index that a model may learn from: those of the training set, then the validation set."""
    return pd.concat([data.rows("train"), data.rows("validation")], ignore_index=True)


def learning_set(data: LabelledDataset) -> LearningSet:
    """Return the positions in `learning_rows` of the training and validation examples."""
    rows = learning_rows(data)
    training, validation = np.split(np.arange(len(rows)), [len(data.rows("train"))])
    groups = rows[TOGETHER].to_numpy(np.int64) if TOGETHER in rows else None
    return LearningSet(training, validation, rows["label"].to_numpy(np.int64), groups)


def write_held_out(data: LabelledDataset, positions: Positions, predicted: Probabilities, out: Path) -> None:
    """Write `validation.parquet`: `id`, `label` and `p_<class>` of the examples at some positions."""
    names = np.array(data.classes, object)
    chosen = learning_rows(data).iloc[positions]
    table = pd.DataFrame({"id": chosen["id"].to_numpy(), "label": names[chosen["label"]]})
    probabilities = pd.DataFrame(predicted, columns=[f"p_{name}" for name in data.classes])
    write_table(out / FILE, pd.concat([table, probabilities], axis=1))


def read_held_out(folder: Path) -> pd.DataFrame:
    """Return the held-out predictions in the artifact of a classifier."""
    return read_table(folder / FILE)


def held_out_probabilities(folder: Path, data: LabelledDataset) -> tuple[Labels, Probabilities]:
    """Return labels and probabilities of all held-out predictions in the artifact of a classifier."""
    rows = read_held_out(folder)
    labels = rows["label"].map(data.classes.index).to_numpy(np.int64)
    return labels, rows[[f"p_{name}" for name in data.classes]].to_numpy(np.float64)


def validation_probabilities(folder: Path, data: LabelledDataset) -> Probabilities:
    """Return the held-out probabilities of the validation set, in the order of the index: (examples, classes)."""
    rows = read_held_out(folder).set_index("id")
    wanted = data.rows("validation")["id"]
    if not wanted.isin(rows.index).all():
        raise CorruptArtifact(f"{folder / FILE}: lacks examples of the validation set. Run with --refresh train.")
    return np.asarray(rows.loc[wanted, [f"p_{name}" for name in data.classes]].to_numpy(np.float64))

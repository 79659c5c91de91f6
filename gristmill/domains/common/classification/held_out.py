"""Honest predictions of a classifier: for examples that it was not fitted on.

With enough examples these are the validation set. With few, a validation set would decide little, so training and
validation set together are split into folds, and each fold is predicted by a classifier that was fitted on the others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.labelled import LabelledDataset, Labels
from gristmill.domains.common.classification.predictions import Probabilities
from gristmill.errors import CorruptArtifact
from gristmill.util.table_io import read_table, write_table

FILE = "validation.parquet"
FEW_EXAMPLES = 1000  # training and validation examples; with fewer, folds are used
CLOSED_FORM_FOLDS, NETWORK_FOLDS = 5, 3

Positions = npt.NDArray[np.int64]
_SEED = 0  # of the order in which examples are dealt to folds


@dataclass(frozen=True)
class Split:
    """Examples to fit on and examples to predict, as positions among those of the training, then validation set."""

    fit: Positions
    predict: Positions


def learning_rows(data: LabelledDataset) -> pd.DataFrame:
    """Return the rows of the index that a model may learn from: those of the training set, then the validation set."""
    return pd.concat([data.rows("train"), data.rows("validation")], ignore_index=True)


def has_few_examples(data: LabelledDataset) -> bool:
    """Return whether there are too few examples for a validation set to be enough."""
    return len(learning_rows(data)) < FEW_EXAMPLES


def validation_split(data: LabelledDataset) -> Split:
    """Return the split into training and validation set."""
    positions, training = np.arange(len(learning_rows(data))), len(data.rows("train"))
    return Split(positions[:training], positions[training:])


def folds(data: LabelledDataset, count: int) -> list[Split]:
    """Return a split for each fold of training and validation set together; it is the one to predict."""
    owners = stratified_folds(learning_rows(data)["label"].to_numpy(np.int64), count)
    return [Split(np.flatnonzero(owners != fold), np.flatnonzero(owners == fold)) for fold in np.unique(owners)]


def stratified_folds(labels: Labels, folds: int) -> Labels:
    """Return the fold of each example, from 0: those of each class are dealt in turn, after they are shuffled."""
    order = np.random.default_rng(_SEED).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    owners = np.empty(len(labels), np.int64)
    owners[order] = np.arange(len(labels)) % folds
    return owners


def write_held_out(
    data: LabelledDataset, made_of: list[Split], predict: Callable[[Split], Probabilities], out: Path
) -> None:
    """Write `validation.parquet`: `id`, `label` and `p_<class>` of all examples that the splits predict."""
    rows, names = learning_rows(data), np.array(data.classes, object)
    made = np.concatenate([predict(split) for split in made_of])
    chosen = rows.iloc[np.concatenate([split.predict for split in made_of])]
    table = pd.DataFrame({"id": chosen["id"].to_numpy(), "label": names[chosen["label"]]})
    probabilities = pd.DataFrame(made, columns=[f"p_{name}" for name in data.classes])
    write_table(out / FILE, pd.concat([table, probabilities], axis=1))


def read_held_out(folder: Path) -> pd.DataFrame:
    """Return the held-out predictions in the artifact of a classifier; no rows if it has none."""
    return read_table(folder / FILE) if (folder / FILE).exists() else pd.DataFrame({"id": []})


def validation_probabilities(folder: Path, data: LabelledDataset) -> Probabilities:
    """Return the held-out probabilities of the validation set, in the order of the index: (examples, classes)."""
    rows = read_held_out(folder).set_index("id")
    wanted = data.rows("validation")["id"]
    if not wanted.isin(rows.index).all():
        raise CorruptArtifact(f"{folder / FILE}: lacks examples of the validation set. Run with --refresh train.")
    made: Probabilities = rows.loc[wanted, [f"p_{name}" for name in data.classes]].to_numpy(np.float64)
    return made

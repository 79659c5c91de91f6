"""Honest predictions: of rows that a model was not fitted on, of the validation set or fold by fold."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.tabular.dataset import Prepared, Values
from gristmill.util.table_io import read_table, write_table

FILE = "validation.parquet"
FEW_ROWS = 1_000  # with fewer rows to learn from, every one of them is predicted, fold by fold

Positions = npt.NDArray[np.int64]  # (rows,)


def rows_to_learn_from(data: Prepared) -> Positions:
    """Return the positions of training and validation set."""
    return np.flatnonzero(data.parts != "test")


def fitted_on(data: Prepared, rows: Positions) -> Prepared:
    """Return the data with these rows as the training set, and all others as the test set."""
    parts = np.full(len(data.parts), "test", "<U5")
    parts[rows] = "train"
    return replace(data, parts=parts)


def folds(data: Prepared, count: int) -> Iterator[tuple[Positions, Positions]]:
    """Yield the rows to fit on and the rows to predict.

    With few rows or without a validation set, these are `count` folds of all rows to learn from. Otherwise there is
    one: the training and the validation set.
    """
    rows = rows_to_learn_from(data)
    validation = np.flatnonzero(data.parts == "validation")
    if len(rows) >= FEW_ROWS and len(validation):
        yield np.flatnonzero(data.parts == "train"), validation
        return
    count = min(count, len(rows))
    fold = np.random.default_rng(0).permutation(np.arange(len(rows)) % count)
    for number in range(count):
        yield rows[fold != number], rows[fold == number]


def write(rows: Positions, predicted: Values, out: Path) -> None:
    """Write honest predictions, in the order of the table."""
    order = np.argsort(rows)
    write_table(out / FILE, pd.DataFrame({"row": rows[order], "prediction": predicted[order]}))


def read(folder: Path) -> "pd.Series[float]":
    """Return the honest predictions of a model by the position of the row."""
    return read_table(folder / FILE).set_index("row")["prediction"]

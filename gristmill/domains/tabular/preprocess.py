"""Preprocess: split the rows, and fit on the training part how they are encoded."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.dataset import PARTS, Layout, Prepared
from gristmill.domains.tabular.settings import Preprocess
from gristmill.errors import DataError
from gristmill.settings.messages import format_number
from gristmill.util.table_io import read_document, read_table

_MOST_NAMES = 1000  # of a category: each takes a column of every encoded row


def preprocess(*, preprocess: Preprocess, ingest: Path, out: Path) -> dict[str, int]:
    """Cut ingested rows into parts and write them with their layout (`prepared.py`).

    Raises:
        DataError: too few rows for the parts, nothing to learn, or a category that is none.
    """
    table, summary = read_table(ingest / "table.parquet"), read_document(ingest / "summary.json")
    parts = split(len(table), preprocess)
    train = table[parts == "train"]
    numbers = train[[*summary["numbers"], summary["target"]]]
    refuse_unusable(numbers, summary["target"])
    mean, deviation = fit_scale(numbers, preprocess.scale)
    layout = Layout(
        target=summary["target"],
        numbers=summary["numbers"],
        categories={name: names_of(train[name]) for name in summary["categories"]},
        mean=mean,
        deviation=deviation,
    )
    dataset.write(Prepared(table, parts, layout), out)
    return {f"{part}_rows": int((parts == part).sum()) for part in PARTS} | {"features": layout.features}


def split(count: int, settings: Preprocess) -> npt.NDArray[np.str_]:
    """Return the part of each of so many rows, (rows,): validation before test where the last rows are taken.

    A size below 1 is a share of the rows, at least one; from 1 on it is a number of rows.
    """
    validation, test = (
        max(1, round(size * count)) if 0 < size < 1 else int(size) for size in (settings.validation, settings.test)
    )
    if count - validation - test < 2:
        raise DataError(
            f"the table has {count} rows, of which validation takes {validation} and test {test}: fewer than two are "
            "left to train on. Give it more rows, or set smaller parts in the table 'preprocess'."
        )
    parts = np.repeat(PARTS, [count - validation - test, validation, test])
    return np.random.default_rng(settings.seed).permutation(parts) if settings.split == "random" else parts


def refuse_unusable(train: pd.DataFrame, target: str) -> None:
    """Refuse a constant target, and columns that vary less than the float32 a network works in can tell apart."""
    for name in train.columns:
        values = train[name].to_numpy()
        deviation, step = values.std(), np.spacing(np.float32(np.abs(values).max()))
        constant = values.min() == values.max()
        if constant and name == target:
            raise DataError(
                f"all {len(values)} values of the target {name!r} in the training part are "
                f"{format_number(values[0], 6)}: there is nothing to learn. Check the target column."
            )
        if not constant and deviation < 1000 * step:
            raise DataError(
                f"the values of {name!r} vary by {format_number(deviation, 6)} around "
                f"{format_number(values.mean(), 6)}, where "
                f"32-bit numbers are {format_number(step, 6)} apart. Subtract a constant from the column."
            )


def fit_scale(train: pd.DataFrame, scale: str) -> tuple[dict[str, float], dict[str, float]]:
    """Return mean and deviation of each column, or 0 and 1 for no scaling; 1 stands for a deviation of 0."""
    names = train.columns.tolist()
    if scale == "none":
        return dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0)
    varying = (train.min() < train.max()).to_numpy()  # the deviation of the others may come out as a rounding error
    deviation = np.where(varying, train.std(ddof=0), 1.0)
    return dict(zip(names, train.mean().tolist(), strict=True)), dict(zip(names, deviation.tolist(), strict=True))


def names_of(train: "pd.Series[str]") -> list[str]:
    """Return the names of a category, sorted."""
    names = sorted(train.unique().tolist())
    if len(names) > _MOST_NAMES:
        raise DataError(
            f"the category {train.name!r} has {len(names):,} different names in the training part; at most "
            f"{_MOST_NAMES:,} can be told apart. Group them, or leave the column out."
        )
    return names

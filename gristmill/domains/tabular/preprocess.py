"""Preprocess: split the rows, and fit their encoding on the training set."""

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

_MAX_NAMES = 1000  # limit per category, because each name becomes an encoded column


def preprocess(*, preprocess: Preprocess, ingest: Path, out: Path) -> dict[str, int]:
    """Split ingested rows and write them with their layout (`dataset.py`).

    Raises:
        DataError: there are too few rows for the parts, a column is unusable, or a category has too many names.
    """
    table, summary = read_table(ingest / "table.parquet"), read_document(ingest / "summary.json")
    parts = split(len(table), preprocess)
    train = table[parts == "train"]
    numbers = train[[*summary["numbers"], summary["target"]]]
    check_columns(numbers, summary["target"])
    mean, deviation = fit_scale(numbers, preprocess.scale)
    layout = Layout(
        target=summary["target"],
        numbers=summary["numbers"],
        categories={name: category_names(train[name]) for name in summary["categories"]},
        mean=mean,
        deviation=deviation,
    )
    dataset.write(Prepared(table, parts, layout), out)
    return {f"{part}_rows": int((parts == part).sum()) for part in PARTS} | {"features": layout.features}


def split(count: int, settings: Preprocess) -> npt.NDArray[np.str_]:
    """Return the part of each of `count` rows, (rows,); of the last rows, validation comes before test."""
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


def check_columns(train: pd.DataFrame, target: str) -> None:
    """Raise a `DataError` for a constant target, and for a column that varies less than float32 can resolve."""
    for name in train.columns:
        values = train[name].to_numpy()
        constant = values.min() == values.max()
        if constant and name == target:
            raise DataError(
                f"all {len(values)} values of the target {name!r} in the training set are "
                f"{format_number(values[0], 6)}: there is nothing to learn. Check the target column."
            )
        if said := why_unresolved(values):
            raise DataError(f"column {name!r} {said}. Subtract a constant from it, or do not use it.")


def why_unresolved(values: npt.NDArray[np.float64]) -> str:
    """Return why float32 cannot resolve the values of a column, (rows,); empty if it can, or if they are constant."""
    deviation, step = values.std(), np.spacing(np.float32(np.abs(values).max()))
    if values.min() == values.max() or deviation >= 1000 * step:
        return ""
    return (
        f"varies by {format_number(deviation, 6)} around {format_number(values.mean(), 6)}, "
        f"where 32-bit numbers are {format_number(step, 6)} apart"
    )


def fit_scale(train: pd.DataFrame, scale: str) -> tuple[dict[str, float], dict[str, float]]:
    """Return mean and deviation of each column, or 0 and 1 without scaling; a deviation of 0 becomes 1."""
    names = train.columns.tolist()
    if scale == "none":
        return dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0)
    varying = (train.min() < train.max()).to_numpy()  # the deviation of the others may be a rounding error
    deviation = np.where(varying, train.std(ddof=0), 1.0)
    return dict(zip(names, train.mean().tolist(), strict=True)), dict(zip(names, deviation.tolist(), strict=True))


def category_names(train: "pd.Series[str]") -> list[str]:
    """Return the names of a category, sorted."""
    names = sorted(train.unique().tolist())
    if len(names) > _MAX_NAMES:
        raise DataError(
            f"the category {train.name!r} has {len(names):,} different names in the training set; at most "
            f"{_MAX_NAMES:,} can be encoded. Group them, or leave the column out."
        )
    return names

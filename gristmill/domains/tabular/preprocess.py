"""Preprocess: split the rows, and fit their encoding on the training set."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.tabular import dataset
from gristmill.domains.tabular.copies import find_copies, write_copies
from gristmill.domains.tabular.dataset import PARTS, Layout, Prepared, date_numbers, part_names
from gristmill.domains.tabular.leaks import find_leaks
from gristmill.domains.tabular.settings import Preprocess
from gristmill.domains.tabular.split import split, times
from gristmill.errors import DataError
from gristmill.settings.number_text import format_number
from gristmill.training.keras_backend import import_keras
from gristmill.util.columns import with_columns
from gristmill.util.table_io import read_document, read_table

logger = logging.getLogger(__name__)

MAX_ENCODED_NAMES = 1000  # of a category, the most frequent; each becomes an encoded column
# Rows with a name. Rarer names share the column of unknown ones, which would otherwise be empty in training.
_MIN_COUNT = 2
_WORD = r"[^\s!-/:-@\[-`{-~]"  # the encoder removes punctuation of ASCII
_MAX_WORDS, _ROWS_PER_WORD = 300, 10  # of a column of texts: one for so many rows


def preprocess(*, preprocess: Preprocess, ingest: Path, out: Path) -> dict[str, int]:
    """Split ingested rows and write them with their layout (`dataset.py`).

    Raises:
        DataError: there are too few rows for the parts, the target is constant, or no column can be used.
        RequestError: a column that the split needs is missing.
    """
    # 1. Read the rows and their classes.
    table, summary = read_table(ingest / "table.parquet"), read_document(ingest / "summary.json")
    names = read_table(ingest / "rows.parquet")["row"].to_numpy(object)
    classes, target, labels = summary["classes"], summary["target"], np.zeros(len(table), np.int64)
    if classes:
        labels = table[target].map({name: at for at, name in enumerate(classes)}).to_numpy(np.int64)
    # 2. Sort them by time.
    when = np.arange(len(table))
    if preprocess.time:
        when = pd.factorize(times(table, preprocess.time), sort=True)[0]
        order = np.argsort(when, kind="stable")
        table, names = table.iloc[order].reset_index(drop=True), names[order]
        labels, when = labels[order], when[order]
    # 3. Split them; copies stay together.
    copies = find_copies(table, summary, labels)
    targets, rare = classes or ["the target"], summary.get("rare_classes", [])
    parts, groups = split(table, preprocess, summary["part"], labels, targets, when, copies.groups, rare)
    # 4. Fit the encoding on the training set.
    train = table[parts == "train"]
    layout = fit_layout(train, summary, preprocess.scale)
    layout = replace(layout, ordered=preprocess.split == "last", group=preprocess.group)
    # 5. Warn of columns that hold the target: they will not be known when the model is used.
    is_heard = logger.isEnabledFor(logging.WARNING)
    for leak in find_leaks(train[layout.target], train[[*layout.columns]], layout.numbers) if is_heard else ():
        logger.warning(
            "the target %r %s in all training rows in which it is not empty. Leave %s out of ingest unless known "
            "before the target",
            layout.target,
            leak.relation,
            ", ".join(map(repr, leak.columns)),
        )
    # 6. Write the rows, and count them.
    dataset.write(Prepared(table, parts.astype(str), layout, groups, names=names), out)
    counts = {f"{part}_rows": int((parts == part).sum()) for part in PARTS} | {"features": layout.features}
    counts |= {"columns_left_out": len(layout.left_out)} if layout.left_out else {}
    return counts | write_copies(copies, pd.DataFrame({"id": names, "label": labels, "part": parts}), out)


def fit_layout(train: pd.DataFrame, summary: dict[str, Any], scale: str) -> Layout:
    """Return the columns that can be used, and their encoding, from the rows of the training set.

    Raises:
        DataError: the target is constant or varies too little for 32 bits, a column is named like a part of a date, or
            no column can be used.
    """
    # 1. Check the target and the names of columns.
    target, classes = summary["target"], summary["classes"]
    for date in summary["dates"]:
        if same := set(part_names(date)).intersection([*summary["numbers"], target]):
            raise DataError(
                f"column {same.pop()!r} is named like a part of the date {date!r}. Rename one in source.prepare."
            )
    values = train[target]
    if not classes and values.min() == values.max():
        raise DataError(
            f"all {len(values)} values of the target {target!r} in the training set are "
            f"{format_number(values.iloc[0], 6)}: there is nothing to learn. Check the target column."
        )
    if not classes and (reason := why_unresolved(values.to_numpy())):
        raise DataError(
            f"the target {target!r} {reason}. Subtract a constant from it in source.prepare, or set another "
            "ingest.target."
        )
    # 2. Leave out columns from which nothing can be learned.
    roles = {role: summary[role] for role in ("numbers", "categories", "dates", "texts")}
    left_out = {name: why for role, names in roles.items() for name in names if (why := why_useless(train[name], role))}
    used = {role: [name for name in names if name not in left_out] for role, names in roles.items()}
    if not any(used.values()):
        reasons = "; ".join(f"{name!r} {why}" for name, why in left_out.items())
        raise DataError(f"no column to predict {target!r} from: {reasons}. Add other columns to the table.")
    # 3. Fit the encoding of the others.
    measures = measured(train, used["numbers"], used["dates"])
    scaled = measures if classes else with_columns(measures, {target: train[target]})
    mean, deviation = fit_scale(scaled, scale)
    return Layout(
        target=target,
        numbers=used["numbers"],
        categories={name: category_names(train[name]) for name in used["categories"]},
        mean=mean,
        deviation=deviation,
        dates=used["dates"],
        texts={name: frequent_words(train[name]) for name in used["texts"]},
        median={str(name): float(value) for name, value in measures.median().items()},
        missing=[str(name) for name in measures if measures[name].isna().any()],
        classes=classes,
        left_out=left_out,
    )


def measured(rows: pd.DataFrame, numbers: list[str], dates: list[str]) -> pd.DataFrame:
    """Return numbers, and the parts of dates, as float64 columns."""
    return pd.concat([rows[numbers], *(date_numbers(rows[name]) for name in dates)], axis=1)


def why_useless(cells: "pd.Series[Any]", role: str) -> str:
    """Return why nothing can be learned from a column of the training set in a role; empty if something can."""
    counts = cells.value_counts(dropna=False)
    if len(counts) == 1:
        value = counts.index[0]
        return "is empty" if value == "" or pd.isna(value) else "has the same value in all training rows"
    if role == "categories" and counts.iloc[0] < _MIN_COUNT:
        return "has a different value in each training row"
    if role == "texts" and not cells.str.contains(_WORD).any():
        return "has no words"
    return why_unresolved(cells.dropna().to_numpy(np.float64)) if role == "numbers" else ""


def why_unresolved(values: npt.NDArray[Any]) -> str:
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
    mean, deviation = train.mean().fillna(0.0), np.where(varying, train.std(ddof=0), 1.0)
    return dict(zip(names, mean.tolist(), strict=True)), dict(zip(names, deviation.tolist(), strict=True))


def category_names(train: "pd.Series[str]") -> list[str]:
    """Return the sorted names of a category that occur more than once, the most frequent if there are many.

    An empty cell is a name like others.
    """
    counts = train.value_counts()
    return sorted(counts[counts >= _MIN_COUNT].index[:MAX_ENCODED_NAMES].tolist())


def frequent_words(train: "pd.Series[str]") -> list[str]:
    """Return the most frequent words of texts, as the encoder finds them."""
    import_keras()  # TensorFlow is needed only for texts
    import keras

    max_words = max(1, min(_MAX_WORDS, len(train) // _ROWS_PER_WORD))
    layer = keras.layers.TextVectorization(max_tokens=max_words + 1, output_mode="multi_hot")
    layer.adapt(train.to_numpy(object))
    return [str(word) for word in layer.get_vocabulary()[1:]]

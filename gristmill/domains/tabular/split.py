"""Split of the rows of a table into training, validation and test set."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification import split as by_class
from gristmill.domains.common.classification.duplicates import Groups, merge_groups, number_groups
from gristmill.domains.common.classification.labelled import Labels
from gristmill.domains.tabular.columns import are_dates
from gristmill.domains.tabular.settings import Preprocess
from gristmill.errors import DataError, RequestError, count_of, short_repr
from gristmill.settings.messages import unknown_name
from gristmill.sources.set_names import PARTS

Parts = npt.NDArray[np.object_]  # (rows,)


def split(
    table: pd.DataFrame,
    settings: Preprocess,
    part: str | None,
    labels: Labels,
    classes: list[str],
    when: npt.NDArray[np.int64],
    copies: Groups | None = None,
    rare: Sequence[str] = (),
) -> tuple[Parts, Groups | None]:
    """Return the part of each row, and the groups that stay in one part if there are any.

    The column `part` names the part of some rows, if there is one; the others are split at random, stratified
    by class, or in order: first the training set, then the validation set, and the last rows are the test set. `labels`
    are positions of classes, (rows,), or zeros if the target is a number. `when` are the times of the rows, ascending;
    rows of one time stay in one part. `copies` are the groups of equal rows (`copies.py`), which stay in one part if it
    is drawn at random. Folds divide them if the table does. Rows of `rare` classes are in the training set.

    Raises:
        DataError: too few rows are left in a part, or a cell of `time` is neither a date nor a number.
        RequestError: there is no such column, or nothing to test on.
    """
    # 1. Read the parts that the table names, and check that enough rows are left.
    named_parts = table[part].str.lower().map(PARTS) if part else pd.Series(None, table.index, dtype=object)
    named_parts = named_parts.fillna("train").reset_index(drop=True)
    count = int((named_parts == "train").sum())
    sizes = {
        name: max(1, round(size * count)) if 0 < size < 1 else int(size)  # a share, or a number
        for name, size in (("test", settings.test), ("validation", settings.validation))
        if not (named_parts == name).any()
    }
    if count - sum(sizes.values()) < 2:
        takes = " and ".join(f"{name} takes {size}" for name, size in sorted(sizes.items(), reverse=True))
        taken = f", of which {takes}" if sizes else ""
        raise DataError(
            f"the table has {count_of(count, 'rows')} to train on{taken}: fewer than two are left. Add rows, or set a "
            "smaller preprocess.validation or preprocess.test."
        )
    if settings.split == "last":
        return _split_in_order(named_parts.to_numpy(object), settings, sizes, labels, classes, when, rare), None
    # 2. Number the groups that stay together: those of a column, and equal rows.
    named, groups, kept = None, copies, "equal rows stay in one set"
    if settings.group:
        cells, named_by = _column(table, "group", settings.group), f"column {part!r} names (ingest.part)"
        named = number_groups(cells.reset_index(drop=True), named_parts, settings.group, named_by)
        values = count_of((np.unique(named) < len(table)).sum(), "values")  # rows without a group have higher numbers
        kept = f"preprocess.group: column {settings.group!r} has {values}, and the rows of a value stay in one set"
        groups = named if copies is None else merge_groups(named, copies)
    # 3. Draw the other parts, class by class.
    index = pd.DataFrame({"label": labels, "part": named_parts})
    sizes_of_parts = settings.validation, settings.test
    parts = by_class.split(index, classes, *sizes_of_parts, settings.seed, groups, "row", kept, rare)
    if part and copies is not None and pd.Series(parts).groupby(copies).nunique().max() > 1:
        groups = named  # the table names the parts and divides equal rows, so folds do too
    return parts, groups


def _split_in_order(
    named: Parts,
    settings: Preprocess,
    sizes: dict[str, int],
    labels: Labels,
    classes: list[str],
    when: npt.NDArray[np.int64],
    rare: Sequence[str],
) -> Parts:
    """Return the parts if the last rows are tested; a part that the table names keeps its rows.

    At a cut, all rows of one time are in the later part. Rows of rare classes are in the training set, whatever their
    time. Each other class must have a row to train on.
    """
    parts, pool = named.copy(), np.flatnonzero(named == "train")
    for part, size in sizes.items():
        if size and len(pool):
            is_later = when[pool] >= when[pool[-size:][0]]
            parts[pool[is_later]] = part
            pool = pool[~is_later]
    if len(pool) < 2:
        raise DataError(
            f"preprocess.time: {count_of(len(pool), 'rows')} left to train on, because rows with the same time "
            f"stay in one set, and column {settings.time!r} has {count_of(len(np.unique(when)), 'different times')}. "
            "Set a smaller preprocess.validation or preprocess.test, or use a column with more times."
        )
    parts[np.isin(np.array(classes, object)[labels], rare) & (named == "train")] = "train"
    if unlearned := {*range(len(classes))} - {*labels[parts == "train"].tolist()}:
        label = min(unlearned)
        raise DataError(
            f"preprocess.split = 'last': the training set has no row of class {classes[label]!r}, because its "
            f"{count_of((labels == label).sum(), 'rows')} are among the last. Set a smaller preprocess.validation or "
            "preprocess.test, merge the class with another in source.prepare, or use another split."
        )
    return parts


def times(table: pd.DataFrame, name: str) -> "pd.Series[Any]":
    """Return what orders the rows: the numbers of a column, or its ISO dates."""
    cells = _column(table, "time", name)
    numbers = pd.to_numeric(cells, errors="coerce")
    if numbers.notna().all():
        return numbers
    text = cells.astype(str)
    bad = ~are_dates(text).to_numpy(bool)
    if bad.any():
        received = cells.iloc[int(bad.argmax())]
        raise DataError(
            f"preprocess.time: column {name!r} holds {'an empty cell' if received == '' else short_repr(received)} "
            f"({bad.sum():,} of {len(cells):,} cells). Expected numbers, or ISO dates such as 2024-03-01 in all rows; "
            "convert others in source.prepare."
        )
    microseconds = text.str.replace(r"(\.\d{6})\d+", r"\1", regex=True)  # with nanoseconds, years end at 2262
    return pd.to_datetime(microseconds, format="ISO8601", utc=True)


def _column(table: pd.DataFrame, setting: str, name: str) -> "pd.Series[Any]":
    if name not in table:
        known = unknown_name("column", name, list(map(str, table)))
        raise RequestError(f"preprocess.{setting}: {known} Name it in ingest.metadata.")
    return table[name]

"""Copies in a table: rows that are equal in all used columns. They stay in one set and in one fold."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.duplicates import Groups, describe_copies, with_others
from gristmill.domains.common.classification.labelled import Labels
from gristmill.util.table_io import write_document

COPIES_FILE = "copies.json"  # in the artifact of preprocess, if some rows are equal

_DIGITS = 6  # significant digits of numbers that are compared
_MIN_DIFFERENT_ROWS = 5  # of a class; fewer could not be divided into five folds


@dataclass(frozen=True)
class Copies:
    """Rows that are equal to others.

    Rows with equal inputs stay together, also if their targets differ. If the targets of most of them differ, the
    inputs do not identify a row, and rows are equal by chance: these do not stay together.
    """

    contents: Groups  # (rows,): the same number for rows with equal inputs and an equal target
    groups: Groups | None  # (rows,): the same number for rows that stay together; None if all may be divided
    by_chance: bool


def find_copies(table: pd.DataFrame, summary: dict[str, Any], labels: Labels) -> Copies:
    """Return the copies in a table, given the summary of ingest and the class of each row, (rows,).

    Numbers are compared by six significant digits. A category with a different value in each row, such as the number
    of an order, is not compared, as no model reads it. Classes with fewer than five different rows may be divided.
    """
    numbers, categories = summary["numbers"], [name for name in summary["categories"] if not table[name].is_unique]
    inputs = table[[*numbers, *categories, *summary["dates"], *summary["texts"]]]
    inputs = inputs.assign(**{name: significant(inputs[name].to_numpy()) for name in numbers})
    target = table[summary["target"]]
    target = target if summary["classes"] else pd.Series(significant(target.to_numpy()))
    alike = _hashes(inputs)
    groups = pd.factorize(alike)[0]
    contents = pd.factorize(_hashes(pd.DataFrame({"inputs": alike, "target": target.to_numpy()})))[0]
    has_equal_inputs, are_equal = with_others(groups), with_others(contents)
    has_other_target = np.bincount(contents)[contents] < np.bincount(groups)[groups]
    if not are_equal.any() or has_other_target[has_equal_inputs].mean() > 0.5:
        return Copies(contents, None, bool(are_equal.any()))
    different = pd.Series(groups).groupby(labels).transform("nunique").to_numpy()  # rows of the same class
    divisible = different < _MIN_DIFFERENT_ROWS
    groups = np.where(divisible, len(groups) + np.arange(len(groups)), groups)
    return Copies(contents, groups if with_others(groups).any() else None, False)


def write_copies(copies: Copies, index: pd.DataFrame, out: Path) -> dict[str, int]:
    """Write which rows are equal, in one set or in two, if there are any; return their counts.

    The index has columns `id`, `label` and `part`.
    """
    equal = with_others(copies.contents)
    if not equal.any():
        return {}
    summary, counts = describe_copies(index[equal], pd.Series(copies.contents, index.index)[equal], None, "rows")
    if copies.by_chance:
        summary["equal_by_chance"] = int(equal.sum())
        counts = {"rows equal by chance": summary["equal_by_chance"]}
    write_document(out / COPIES_FILE, summary)
    return counts


def significant(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return numbers rounded to six significant digits; NaN stays NaN.

    >>> significant(np.array([1234567.0, 0.1234564, -0.0])).tolist()
    [1234570.0, 0.123456, 0.0]
    """
    exponents = np.floor(np.log10(np.abs(values), where=values != 0, out=np.zeros(len(values))))
    scale = 10.0 ** np.clip(_DIGITS - 1 - exponents, -300, 300)
    return np.asarray(np.round(values * scale) / scale + 0.0)  # the sum is 0.0 for -0.0


def _hashes(rows: pd.DataFrame) -> npt.NDArray[np.uint64]:
    return np.asarray(pd.util.hash_pandas_object(rows, index=False), np.uint64)

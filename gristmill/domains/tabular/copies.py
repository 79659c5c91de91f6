"""Copies in a table: rows that are equal in all used columns. They stay in one set and in one fold.

A few categories make equal rows by chance. Near misses tell how many: if half of the rows that agree in all other
columns have the same town, a row with three near misses by the town has about three equal rows by chance. Copies of a
row with a measured number have hardly any near misses.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.duplicates import Groups, describe_copies, with_others
from gristmill.domains.common.classification.labelled import Labels
from gristmill.domains.common.sampling import sample_positions
from gristmill.util.columns import with_columns
from gristmill.util.table_io import write_document

COPIES_FILE = "copies.json"  # in the artifact of preprocess, if some rows are equal

_DIGITS = 6  # significant digits of numbers that are compared
_MIN_DIFFERENT_ROWS = 5  # of a class; fewer could not be divided into five folds
_MIN_TIMES_CHANCE = 1.5  # equal rows, relative to those expected by chance, that are copies
_MIN_ROWS_OF_LOOKUP = 5  # mean number of rows for each combination of inputs
_MAX_ROWS_COMPARED = 10_000  # to find columns that another column determines

Keys = npt.NDArray[np.uint64]  # (rows,): a random number for each value of a column, or their sum over columns


@dataclass(frozen=True)
class Copies:
    """Rows that are equal to others.

    Rows with equal inputs stay together, also if their targets differ, unless rows are equal by chance.
    """

    contents: Groups  # (rows,): the same number for rows with equal inputs and an equal target
    groups: Groups | None  # (rows,): the same number for rows that stay together; None if all may be divided
    by_chance: bool


def find_copies(table: pd.DataFrame, summary: dict[str, Any], labels: Labels) -> Copies:
    """Return the copies in a table, given the summary of ingest and the class of each row, (rows,).

    Numbers are compared by six significant digits. A category with a different value in each row, such as the number
    of an order, is not compared, as no model reads it. Rows are equal by chance if there are fewer than 1.5 times as
    many as expected, or if combinations of inputs have five rows or more on average, but not all about equally many.
    Classes with fewer than five different rows may be divided.
    """
    # 1. Find the rows with equal inputs, and those whose target is equal too.
    numbers = summary["numbers"]
    categories = [name for name in summary["categories"] if not table[name].is_unique]
    inputs = table[[*numbers, *categories, *summary["dates"], *summary["texts"]]]
    inputs = with_columns(inputs, {name: significant(inputs[name].to_numpy()) for name in numbers})
    target = table[summary["target"]]
    target = target if summary["classes"] else pd.Series(significant(target.to_numpy()))
    random = np.random.default_rng(0)
    columns = [_draw_keys(inputs[name], random) for name in inputs]
    target_keys = _draw_keys(target, random)
    input_keys = _sum(columns, len(table))
    groups = pd.factorize(input_keys)[0]
    contents = pd.factorize(input_keys + target_keys)[0]
    are_equal = with_others(contents)
    if not are_equal.any():
        return Copies(contents, None, False)
    # 2. Decide whether they are equal by chance: by their number, or as a lookup table.
    repeats = np.bincount(groups)  # vary by chance; in a file that was pasted several times, they are equal
    is_lookup = repeats.mean() >= _MIN_ROWS_OF_LOOKUP and repeats.var() > repeats.mean() / 2
    if is_lookup or are_equal.sum() < _MIN_TIMES_CHANCE * _expected_by_chance(columns, input_keys, target_keys):
        return Copies(contents, None, True)
    # 3. Keep others together, unless their class has too few different rows.
    divisible = (pd.Series(groups).groupby(labels).transform("nunique") < _MIN_DIFFERENT_ROWS).to_numpy()
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


def _expected_by_chance(columns: list[Keys], inputs: Keys, target: Keys) -> float:
    """Return how many rows would equal another if one column, or the target, did not depend on the other columns.

    The column that explains most equal rows counts, except those that another column determines, such as a brand that
    follows from the name of the product.
    """
    different = np.unique(inputs, return_index=True)[1]
    rows = different[sample_positions(len(different), _MAX_ROWS_COMPARED)]
    independent: list[tuple[Keys, int]] = []
    by_count = sorted(((column, len(pd.unique(column[rows]))) for column in columns), key=lambda pair: -pair[1])
    for column, count in by_count:
        if all(len(pd.unique((other + column)[rows])) > others for other, others in independent):
            independent.append((column, count))
    together = _sum([column for column, _ in independent], len(inputs))
    by_column = [_equal_by_chance(together - column, column) for column, _ in independent]
    return max([*by_column, _equal_by_chance(inputs, target)])


def _equal_by_chance(rest: Keys, column: Keys) -> float:
    """Return how many rows are expected to equal another, from rows that are equal in the rest but not in the column.

    If a share p of all other rows has a row's value, p / (1 - p) equal rows are expected for each near miss. The number
    of both is random, and (1 - p / (1 - p)) ** misses is an unbiased estimate of the probability of no equal row.
    """
    equal, equal_rest, same_value = _sizes(rest + column), _sizes(rest), _sizes(column)
    odds = (same_value - equal) / np.maximum(len(column) - same_value, 1)  # its own copies say nothing about chance
    return float((1 - np.maximum(1 - odds, 0) ** (equal_rest - equal)).sum())


def _draw_keys(values: "pd.Series[Any]", random: np.random.Generator) -> Keys:
    codes, different = pd.factorize(values, use_na_sentinel=False)
    return np.asarray(random.integers(2**64, size=len(different), dtype=np.uint64)[codes])


def _sum(columns: list[Keys], rows: int) -> Keys:
    return np.asarray(sum(columns, np.zeros(rows, np.uint64)))


def _sizes(keys: Keys) -> Groups:
    """Return how many rows have the key of each row."""
    numbers = pd.factorize(keys)[0]
    return np.asarray(np.bincount(numbers)[numbers])

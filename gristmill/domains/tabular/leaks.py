"""Columns that determine the target exactly: they are rarely known when it is predicted.

A number may be a function of one column (a multiple, logarithm or power), of two (a sum, difference, product or ratio),
or the sum of several. A class may be a bin of a number, or a group of the values of another column. Numbers are
compared within the rounding of their digits, and functions in which something else is left are not leaks.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.sampling import evenly_spaced
from gristmill.domains.tabular.columns import as_text

Values = npt.NDArray[np.float64]
Search = Callable[["pd.Series[Any]", pd.DataFrame, Sequence[str]], Iterator["Leak"]]

_ROWS_SEARCHED = 2_000  # evenly spaced; what they find is checked in all rows
_MIN_ROWS = 30
_MIN_DISTINCT = 10  # different values of numbers that are compared
_MIN_ROWS_PER_VALUE = 10  # rows for each value of a column that determines the classes
_MAX_ROUNDING = 0.05  # of numbers, in standard deviations of the target; coarser ones may agree by chance
_MIN_EXPLAINED = 0.998  # share of the variance that candidates explain; rounding makes it lower than 1
_MAX_GAP = 3.0  # between bins, in mean distances of neighbouring values: groups that differ have wider gaps


@dataclass(frozen=True)
class Leak:
    """Columns that determine the target."""

    columns: tuple[str, ...]
    relation: str  # of the target to them, such as: is 'a' + 'b'


def find_leaks(target: "pd.Series[Any]", inputs: pd.DataFrame, numbers: Sequence[str]) -> list[Leak]:
    """Return the columns that determine the target, each in one relation that all rows agree with.

    Args:
        target: numbers, or classes as text, (rows,).
        inputs: columns as `columns.read_columns` returns them, (rows, columns).
        numbers: names of the columns of numbers.
    """
    # Few rows tell nearly all columns apart.
    if len(target) > _ROWS_SEARCHED:
        few = evenly_spaced(len(target), _ROWS_SEARCHED)
        likely = {name for leak in find_leaks(target.iloc[few], inputs.iloc[few], numbers) for name in leak.columns}
        inputs, numbers = inputs[[*filter(likely.__contains__, inputs)]], [*filter(likely.__contains__, numbers)]
    found: list[Leak] = []
    searches: list[Search] = [_copies]
    searches += [_functions, _sums] if pd.api.types.is_numeric_dtype(target) else []
    searches += [_bins, _groups]
    # Columns that a simpler relation explains take part in no other one.
    for search in searches:
        known = {name for leak in found for name in leak.columns}
        names = [name for name in inputs if name not in known]
        found += search(target, inputs[names], [name for name in numbers if name not in known])
    return found


def derived_columns(numbers: pd.DataFrame) -> dict[str, str]:
    """Return the columns that are a function of an earlier one, and that column: logarithms, squares and the like."""
    derived: dict[str, str] = {}
    numbers, names = numbers.iloc[evenly_spaced(len(numbers), _ROWS_SEARCHED)], [*map(str, numbers)]
    for at, name in enumerate(names):
        earlier = [other for other in names[:at] if other not in derived]
        if leak := next(_functions(numbers[name], numbers[earlier], earlier), None):
            derived[name] = leak.columns[0]
    return derived


def _copies(target: "pd.Series[Any]", inputs: pd.DataFrame, _: Sequence[str]) -> Iterator[Leak]:
    """Yield columns that equal the target in all rows in which they are not empty."""
    for name in map(str, inputs):
        is_same_type = inputs[name].dtype == target.dtype
        cells, values = (inputs[name], target) if is_same_type else (as_text(inputs[name]), as_text(target))
        filled = cells.notna() & (cells != "")
        if cells[filled].nunique() > 1 and (cells[filled] == values[filled]).all():
            yield Leak((name,), f"equals {name!r}")


@dataclass(frozen=True)
class _Number:
    """A column of numbers, or of their logarithms, with the possible rounding error of each."""

    name: str
    values: Values  # NaN for missing ones
    rounding: Values

    @property
    def logarithm(self) -> "_Number | None":
        """The logarithms of the positive numbers; None if a number is negative, or many are 0."""
        if np.nanmin(self.values) < 0 or np.nanmean(self.values > 0) < 0.5:
            return None
        positive = np.where(self.values > 0, self.values, np.nan)
        return _Number(self.name, np.log(positive), self.rounding / positive)


def _number(cells: "pd.Series[Any]") -> _Number | None:
    """Return a column of numbers; None if too few of them differ."""
    values = cells.to_numpy(np.float64)
    if len(np.unique(values[np.isfinite(values)])) < _MIN_DISTINCT:
        return None
    return _Number(str(cells.name), values, np.full(len(values), _rounding(values)))


def _rounding(values: Values) -> float:
    """Return half a unit of the last digit in which numbers differ: 0.05 for 0.1, 2.5 and 10."""
    known = values[np.isfinite(values)]
    for digits in range(-6, 10):
        scaled = known * 10.0**digits
        if (np.abs(scaled - np.round(scaled)) <= 1e-6).all():
            return float(0.5 * 10.0**-digits)
    return float(1e-7 * np.abs(known).max())


def _coefficients(target: _Number, columns: Sequence[_Number]) -> Values | None:
    """Return the slope of each column, and the intercept, if the target is their linear function within rounding."""
    # Fit the rows without missing numbers.
    design = np.column_stack([*(column.values for column in columns), np.ones(len(target.values))])
    rows = np.isfinite(target.values) & np.isfinite(design).all(axis=1)
    if rows.sum() < _MIN_ROWS + len(columns):
        return None
    values, design = target.values[rows], design[rows]
    fitted = np.asarray(np.linalg.lstsq(design, values, rcond=None)[0], np.float64)
    # Compare each residual with the rounding of all numbers in its row.
    rounding = np.column_stack([column.rounding[rows] for column in columns])
    allowed = target.rounding[rows] + rounding @ np.abs(fitted[:-1]) + 1e-9 * np.abs(values).max()
    effects = np.abs(fitted[:-1]) * design[:, :-1].std(axis=0)
    residuals = np.abs(values - design @ fitted)
    is_equal = residuals.max() <= 1e-6 * min(values.std(), effects.min())
    is_rounded = (residuals <= 1.5 * allowed).all()  # rounding also changes the slopes
    is_fine = allowed.mean() <= _MAX_ROUNDING * min(values.std(), effects.min())
    return fitted if is_equal or (is_rounded and is_fine) else None


def _functions(target: "pd.Series[Any]", inputs: pd.DataFrame, numbers: Sequence[str]) -> Iterator[Leak]:
    """Yield columns of which the target is a linear, logarithmic or power function, or an exponential one."""
    known = _number(target)
    if not known or not numbers:
        return
    same_order = inputs[list(numbers)].rank().corrwith(target.rank()).abs() >= _MIN_EXPLAINED
    for column in filter(None, (_number(inputs[name]) for name in numbers if same_order[name])):
        relations = {
            "a linear function": (known, column),
            "the logarithm": (known, column.logarithm),
            "the exponential": (known.logarithm, column),
            "a power": (known.logarithm, column.logarithm),
        }
        for relation, (scaled, other) in relations.items():
            if scaled and other and _coefficients(scaled, [other]) is not None:
                yield Leak((column.name,), f"is {relation} of {column.name!r}")
                break


def _sums(target: "pd.Series[Any]", inputs: pd.DataFrame, numbers: Sequence[str]) -> Iterator[Leak]:
    """Yield two columns whose sum, difference, product or ratio the target is, or several whose sum it is."""
    columns = [*filter(None, (_number(inputs[name]) for name in numbers))]
    known = _number(target)
    if not known:
        return
    found = set[str]()
    logarithms = [*filter(None, (column.logarithm for column in columns))]
    for scaled, scaled_columns, symbols in ((known, columns, ("+", "-")), (known.logarithm, logarithms, ("*", "/"))):
        for pair in _likely_pairs(scaled, scaled_columns) if scaled else ():
            names = (pair[0].name, pair[1].name)
            if found.isdisjoint(names) and scaled and (slopes := _coefficients(scaled, pair)) is not None:
                found |= {*names}
                yield Leak(names, _describe_pair(names, slopes, symbols))
    if not found and len(columns) > 2 and (several := [column.name for column in _summands(known, columns)]):
        yield Leak(tuple(several), f"is the sum of {', '.join(map(repr, several))}")


def _likely_pairs(target: _Number, columns: Sequence[_Number]) -> Iterator[tuple[_Number, _Number]]:
    """Yield the pairs of columns that explain nearly all of the target, by their correlations."""
    values = pd.DataFrame({at: number.values for at, number in enumerate((target, *columns))})
    correlation = values.corr(min_periods=_MIN_ROWS).to_numpy()
    for first, second in itertools.combinations(range(len(columns)), 2):
        to_first, to_second = correlation[0, first + 1], correlation[0, second + 1]
        between = correlation[first + 1, second + 1]
        unexplained = 1 - between**2
        explained = to_first**2 + to_second**2 - 2 * to_first * to_second * between
        if unexplained > 1e-6 and explained >= _MIN_EXPLAINED * unexplained:
            yield columns[first], columns[second]


def _describe_pair(names: tuple[str, str], slopes: Values, symbols: tuple[str, str]) -> str:
    """Return the relation of the target to two columns; `symbols` are + and -, or * and / on the logarithmic scale."""
    (first, second), ones = map(repr, names), np.isclose(np.abs(slopes[:2]), 1, atol=1e-3).all()
    plus, minus = symbols
    if not ones or slopes[:2].max() < 0:
        return f"is a {'weighted sum' if plus == '+' else 'product of powers'} of {first} and {second}"
    if slopes[:2].min() > 0:
        return f"is {first} {plus} {second}"
    return f"is {first} {minus} {second}" if slopes[0] > 0 else f"is {second} {minus} {first}"


def _summands(target: _Number, columns: Sequence[_Number]) -> list[_Number]:
    """Return the columns whose sum the target is; none if other factors than 1 are needed."""
    values = np.column_stack([column.values for column in columns])
    rows = np.isfinite(target.values) & np.isfinite(values).all(axis=1)
    if rows.sum() < _MIN_ROWS + 2 * len(columns):
        return []
    slopes = np.linalg.lstsq(np.column_stack([values[rows], np.ones(rows.sum())]), target.values[rows], rcond=None)[0]
    summands = [column for column, slope in zip(columns, slopes, strict=False) if abs(slope) > 0.5]
    fitted = _coefficients(target, summands) if len(summands) > 2 else None
    return summands if fitted is not None and np.allclose(fitted[:-1], 1, atol=1e-3) else []


def _bins(target: "pd.Series[Any]", inputs: pd.DataFrame, numbers: Sequence[str]) -> Iterator[Leak]:
    """Yield numbers of which the classes are bins, or columns whose values are bins of the target."""
    if not pd.api.types.is_numeric_dtype(target):
        for name in numbers:
            if _are_bins(inputs[name], target):
                yield Leak((name,), f"is a bin of {name!r}")
        return
    for name in map(str, inputs):
        if _are_bins(target, inputs[name]):
            yield Leak((name,), f"has its own range for each value of {name!r}")


def _are_bins(numbers: "pd.Series[float]", names: "pd.Series[Any]") -> bool:
    """Return whether each name has an interval of the numbers without a wide gap to the next one."""
    filled = numbers.notna() & names.notna() & (names != "")
    table = pd.DataFrame({"number": numbers[filled], "name": names[filled]}).sort_values("number", kind="stable")
    bins = table["name"].nunique()
    distinct = table["number"].unique()
    if bins < 2 or len(table) < _MIN_ROWS or len(distinct) < max(_MIN_DISTINCT, 5 * bins):
        return False
    is_edge = (table["name"] != table["name"].shift()).to_numpy()[1:]  # between two rows
    if is_edge.sum() != bins - 1:
        return False
    gaps = np.diff(table["number"].to_numpy())[is_edge]
    usual = (distinct[-1] - distinct[0]) / len(distinct)
    return bool((gaps > 0).all() and (gaps <= _MAX_GAP * usual).all())


def _groups(target: "pd.Series[Any]", inputs: pd.DataFrame, _: Sequence[str]) -> Iterator[Leak]:
    """Yield columns of few values, each of which has rows of one class only."""
    if pd.api.types.is_numeric_dtype(target):
        return
    for name in map(str, inputs):
        cells = inputs[name]
        filled = cells.notna() & (cells != "")
        values = cells[filled].nunique()
        if filled.sum() < max(_MIN_ROWS, _MIN_ROWS_PER_VALUE * values) or values < 2:
            continue
        if (target[filled].groupby(cells[filled]).nunique() == 1).all() and target[filled].nunique() > 1:
            yield Leak((name,), f"has one class for each value of {name!r}")

"""Columns that determine the target exactly: they are rarely known when it is predicted.

A number may be a function of one or several columns (`relations.py`), or each value of a column may have its own range
of it. A class may be a bin of a number, or have other names in a column, or in one column for each class.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gristmill.domains.common.sampling import evenly_spaced
from gristmill.domains.tabular.columns import are_dates, as_text
from gristmill.domains.tabular.relations import MIN_ROWS, function_of_one, functions_of_several, same_order

Search = Callable[["pd.Series[Any]", pd.DataFrame, Sequence[str]], Iterator["Leak"]]

_ROWS_SEARCHED = 2_000  # evenly spaced; what they find is checked in all rows
_MIN_ROWS_PER_VALUE = 10  # rows for each other name of a class
_MIN_VALUES_PER_BIN = 5  # different numbers
_MAX_GAP = 3.0  # between bins, in mean distances of neighbouring values: groups that differ have wider gaps
_YEARS = (1800, 2100)  # numbers that grow with the years have their own range in each


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
    # A sample of the rows tells nearly all columns apart.
    if len(target) > _ROWS_SEARCHED:
        sample = evenly_spaced(len(target), _ROWS_SEARCHED)
        leaks_of_sample = find_leaks(target.iloc[sample], inputs.iloc[sample], numbers)
        likely = {name for leak in leaks_of_sample for name in leak.columns}
        inputs = inputs[[name for name in inputs if name in likely]]
        numbers = [name for name in numbers if name in likely]
    searches: list[Search] = [_copies]
    searches += [_functions, _bands] if pd.api.types.is_numeric_dtype(target) else [_bins, _other_names, _flags]
    # Columns that a simpler relation explains take part in no other one.
    leaks: list[Leak] = []
    for search in searches:
        explained = {name for leak in leaks for name in leak.columns}
        others = [name for name in inputs if name not in explained]
        leaks += search(target, inputs[others], [name for name in numbers if name not in explained])
    return leaks


def derived_columns(numbers: pd.DataFrame) -> dict[str, str]:
    """Return the columns that are a function of an earlier one, and that column: logarithms, squares and the like."""
    numbers = numbers.iloc[evenly_spaced(len(numbers), _ROWS_SEARCHED)]
    alike = same_order(numbers, numbers)
    derived: dict[str, str] = {}
    for at, name in enumerate(numbers):
        for earlier in numbers.columns[:at][alike[at, :at]]:
            if earlier not in derived and function_of_one(numbers[name], numbers[earlier]):
                derived[str(name)] = str(earlier)
                break
    return derived


def _copies(target: "pd.Series[Any]", inputs: pd.DataFrame, _: Sequence[str]) -> Iterator[Leak]:
    """Yield columns that equal the target in all rows in which they are not empty."""
    for name in map(str, inputs):
        is_same_type = inputs[name].dtype == target.dtype
        cells, values = (inputs[name], target) if is_same_type else (as_text(inputs[name]), as_text(target))
        filled = _is_filled(cells)
        if cells[filled].nunique() > 1 and (cells[filled] == values[filled]).all():
            yield Leak((name,), f"equals {name!r}")


def _functions(target: "pd.Series[Any]", inputs: pd.DataFrame, numbers: Sequence[str]) -> Iterator[Leak]:
    """Yield columns of numbers and of dates of which the target is a function."""
    columns = inputs[list(numbers)]
    (alike,) = same_order(target.to_frame(), columns)
    explained = set[str]()
    for name in columns.columns[alike]:
        if relation := function_of_one(target, columns[name]):
            explained.add(name)
            yield Leak((str(name),), relation)
    days = {name: _days(inputs[name]) for name in map(str, inputs) if name not in numbers}
    dates = pd.DataFrame({name: cells for name, cells in days.items() if cells is not None}, index=inputs.index)
    for names, relation in functions_of_several(target, columns.drop(columns=[*explained]), dates):
        yield Leak(names, relation)


def _days(cells: "pd.Series[Any]") -> "pd.Series[float] | None":
    """Return dates as numbers of days; None if some are not dates."""
    filled = _is_filled(cells)
    if not filled.any() or not are_dates(as_text(cells[filled])).all():
        return None
    times = pd.to_datetime(as_text(cells).where(filled), format="ISO8601", utc=True)
    return (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


def _bins(target: "pd.Series[Any]", inputs: pd.DataFrame, numbers: Sequence[str]) -> Iterator[Leak]:
    """Yield numbers of which the classes are bins."""
    for name in numbers:
        if _are_bins(inputs[name], target):
            yield Leak((name,), f"is a bin of {name!r}")


def _bands(target: "pd.Series[Any]", inputs: pd.DataFrame, numbers: Sequence[str]) -> Iterator[Leak]:
    """Yield columns whose values are bins of the target, in a table that is not sorted by it."""
    steps = np.diff(target.dropna())
    if (steps >= 0).all() or (steps <= 0).all():
        return
    for name in map(str, inputs):
        are_years = name in numbers and inputs[name].between(*_YEARS).all()
        if not are_years and _are_bins(target, inputs[name]):
            yield Leak((name,), f"has its own range for each value of {name!r}")


def _are_bins(numbers: "pd.Series[float]", names: "pd.Series[Any]") -> bool:
    """Return whether each name has an interval of the numbers without a wide gap to the next one."""
    filled = numbers.notna() & _is_filled(names)
    table = pd.DataFrame({"number": numbers[filled], "name": names[filled]}).sort_values("number", kind="stable")
    bins = table["name"].nunique()
    distinct = table["number"].unique()
    if bins < 2 or len(table) < MIN_ROWS or len(distinct) < _MIN_VALUES_PER_BIN * bins:
        return False
    is_edge = (table["name"] != table["name"].shift()).to_numpy()[1:]  # between two rows
    if is_edge.sum() != bins - 1:
        return False
    gaps = np.diff(table["number"].to_numpy())[is_edge]
    usual = (distinct[-1] - distinct[0]) / len(distinct)
    return bool((gaps > 0).all() and (gaps <= _MAX_GAP * usual).all())


def _other_names(target: "pd.Series[Any]", inputs: pd.DataFrame, _: Sequence[str]) -> Iterator[Leak]:
    """Yield columns with one class for each value, and at most one value more than there are classes.

    Honest inputs with one class for each value have more of them.
    """
    for name in map(str, inputs):
        filled = _is_filled(inputs[name])
        cells, classes = inputs[name][filled], target[filled]
        values = cells.nunique()
        is_short = 2 <= classes.nunique() <= values <= classes.nunique() + 1
        has_rows = len(cells) >= max(MIN_ROWS, _MIN_ROWS_PER_VALUE * values)
        if is_short and has_rows and (classes.groupby(cells).nunique() == 1).all():
            yield Leak((name,), f"has one class for each value of {name!r}")


def _flags(target: "pd.Series[Any]", inputs: pd.DataFrame, _: Sequence[str]) -> Iterator[Leak]:
    """Yield columns of two values, each of which has one of them in the rows of one class only, if all classes do."""
    names = {}
    counts = target.value_counts()
    for name in map(str, inputs):
        if inputs[name].nunique() != 2 or not _is_filled(inputs[name]).all():
            continue
        for _value, rows in target.groupby(inputs[name]):
            if rows.nunique() == 1 and len(rows) == counts[rows.iloc[0]]:
                names[rows.iloc[0]] = name
    if len(target) >= MIN_ROWS and len(counts) > 2 and len(names) >= len(counts) - 1:
        flags = tuple(dict.fromkeys(names.values()))
        yield Leak(flags, f"has a column for each class: {', '.join(map(repr, flags))}")


def _is_filled(cells: "pd.Series[Any]") -> "pd.Series[bool]":
    return cells.notna() & (cells != "")

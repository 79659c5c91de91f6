"""Check data against a schema: each violation names the location, the received value and the broken rule."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.errors import DataError, short_repr
from gristmill.settings.data_schema import Bounds, Cells, Expectations
from gristmill.util.table_io import as_texts
from gristmill.util.toml import toml_key

Where = Callable[[int], str]  # names a position: a row of a file, a photo
Mask = npt.NDArray[np.bool_]  # (rows,)

MAX_VIOLATIONS_LISTED = 20


@dataclass(frozen=True)
class Violation:
    """A broken rule of a schema."""

    received: str  # place and value
    rule: str  # as in the schema: `[columns.visitors] has max = 150`


def check_violations(violations: Iterable[Violation], schema: Expectations) -> None:
    """Raise a `DataError` with a line for each violation, if there are any."""
    lines = [f"{violation.received}; {schema.file} {violation.rule}." for violation in violations]
    if len(lines) > 1:
        hidden = len(lines) - MAX_VIOLATIONS_LISTED
        more = f"and {hidden} more: " if hidden > 0 else ""
        lines = [*lines[:MAX_VIOLATIONS_LISTED], f"{more}{len(lines)} rules are broken."]
    if lines:
        raise DataError("\n".join(lines) + " Fix the data, or edit the schema.")


def column_violations(frame: pd.DataFrame, rules: Mapping[str, Cells], where: Where) -> Iterator[Violation]:
    """Yield violations of the rules by column, for the columns that a frame has; missing cells and "" are empty."""
    for name in [name for name in rules if name in frame]:
        cells, rule = frame[name], rules[name]
        for key, broken in _find_broken(cells, rule):
            first = int(broken.argmax())
            value = "empty" if key == "missing" else _to_toml(cells.iloc[first])
            received = f"{where(first)}, column {name!r}: {value} ({broken.sum():,} of {len(broken):,} cells)"
            yield Violation(received, f"[columns.{toml_key(name)}] has {key} = {_to_toml(getattr(rule, key))}")


def bound_violations(table: str, values: "pd.Series[Any]", bounds: Bounds, where: Where) -> Iterator[Violation]:
    """Yield violations of bounds; `table` is their table in the schema, named after the values. NaN breaks nothing."""
    numbers = values.to_numpy(np.float64)
    for key, broken in _find_outside(numbers, bounds):
        first = int(broken.argmax())
        received = f"{where(first)}: {table} {_to_toml(numbers[first])} ({broken.sum():,} of {len(broken):,})"
        yield Violation(received, f"[{table}] has {key} = {_to_toml(getattr(bounds, key))}")


def class_violations(counts: Mapping[str, int], minimum: Mapping[str, int]) -> Iterator[Violation]:
    """Yield classes with fewer examples than their minimum, and unlisted classes if the schema lists any."""
    for name, count in minimum.items():
        if counts.get(name, 0) < count:
            rule = f"[classes] has {toml_key(name)} = {count}"
            yield Violation(f"class {name!r}: {counts.get(name, 0)} examples", rule)
    for name in counts:
        if minimum and name not in minimum:
            yield Violation(f"class {name!r}: {counts[name]} examples", "[classes] does not list it")


def frequency_violations(frequency: str, expected: str | None) -> Iterator[Violation]:
    """Yield the frequency of a series if another one is expected."""
    if expected not in (None, frequency):
        yield Violation(f"the frequency of the times is {frequency!r}", f"has frequency = {_to_toml(expected)}")


def _find_broken(cells: "pd.Series[Any]", rule: Cells) -> Iterator[tuple[str, Mask]]:
    """Yield each key of a rule that a column breaks, with the cells that break it."""
    empty = (cells.isna() | (cells == "")).to_numpy(bool)
    if rule.missing is not None and empty.mean() > rule.missing:
        yield "missing", empty
    if rule.values is not None:
        unknown = ~empty & ~as_texts(cells).isin(rule.values).to_numpy(bool)
        if unknown.any():
            yield "values", unknown
    if {rule.type, rule.min, rule.max} != {None}:
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
        valid = numbers % 1 == 0 if rule.type == "integer" else ~np.isnan(numbers)
        if rule.type is not None and (~empty & ~valid).any():
            yield "type", ~empty & ~valid
        yield from _find_outside(numbers, rule)


def _find_outside(values: npt.NDArray[np.float64], bounds: Bounds) -> Iterator[tuple[str, Mask]]:
    if bounds.min is not None and (values < bounds.min).any():
        yield "min", values < bounds.min
    if bounds.max is not None and (values > bounds.max).any():
        yield "max", values > bounds.max


def _to_toml(value: Any) -> str:
    """Return a value as TOML writes it, whole numbers without a fraction."""
    if isinstance(value, float | np.floating | np.integer):
        return str(int(value)) if float(value).is_integer() else str(float(value))
    return short_repr(list(value) if isinstance(value, tuple) else value)

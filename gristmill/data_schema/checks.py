"""Data held against a schema: every violation with where it is, what was received and the rule that it breaks."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.errors import DataError, short_repr
from gristmill.settings.data_schema import Bounds, Cells, Expectations

Where = Callable[[int], str]  # names what is at a position: a row of a file, a photo
Mask = npt.NDArray[np.bool_]  # (rows,)

_SHOWN = 20  # violations that an error tells


@dataclass(frozen=True)
class Violation:
    """Something in the data that a rule does not allow."""

    found: str  # where, and what was received
    rule: str  # as it stands in the schema: `[columns.visitors] has max = 150`


def refuse(violations: Iterable[Violation], schema: Expectations) -> None:
    """Refuse data that breaks a schema, with all violations at once, a line each.

    Raises:
        DataError: there is a violation.
    """
    lines = [f"{violation.found}; {schema.file} {violation.rule}." for violation in violations]
    if len(lines) > 1:
        hidden = f"and {len(lines) - _SHOWN} more: " if len(lines) > _SHOWN else ""
        lines = [*lines[:_SHOWN], f"{hidden}{len(lines)} rules are broken."]
    if lines:
        raise DataError("\n".join(lines) + " Mend the data, or edit the schema.")


def column_violations(frame: pd.DataFrame, rules: Mapping[str, Cells], where: Where) -> Iterator[Violation]:
    """Yield what breaks the rules of those columns that a frame has.

    Args:
        frame: cells as the source gives them; missing ones and "" are empty.
        rules: by column.
        where: names the row at a position of the frame.
    """
    for name in [name for name in rules if name in frame]:
        cells, rule = frame[name], rules[name]
        for key, broken in _broken(cells, rule):
            first = int(broken.argmax())
            received = "empty" if key == "missing" else _plain(cells.iloc[first])
            found = f"{where(first)}, column {name!r}: {received} ({_share(broken)} cells)"
            yield Violation(found, f"[columns.{quoted(name)}] has {key} = {_plain(getattr(rule, key))}")


def bound_violations(table: str, values: "pd.Series[Any]", bounds: Bounds, where: Where) -> Iterator[Violation]:
    """Yield what lies out of bounds.

    Args:
        table: of the bounds in the schema; its name says what the values are.
        values: (rows,); missing ones break nothing.
        bounds: of the values.
        where: names what is at a position.
    """
    numbers = values.to_numpy(np.float64)
    for key, broken in _outside(numbers, bounds):
        first = int(broken.argmax())
        found = f"{where(first)}: {table} {_plain(numbers[first])} ({_share(broken)})"
        yield Violation(found, f"[{table}] has {key} = {_plain(getattr(bounds, key))}")


def class_violations(counts: Mapping[str, int], least: Mapping[str, int]) -> Iterator[Violation]:
    """Yield the classes that have too few examples, and those that the schema does not list where it lists any.

    Args:
        counts: examples of each class.
        least: examples that each class must have.
    """
    for name, count in least.items():
        if counts.get(name, 0) < count:
            yield Violation(
                f"class {name!r}: {counts.get(name, 0)} examples", f"[classes] has {quoted(name)} = {count}"
            )
    for name in counts:
        if least and name not in least:
            yield Violation(f"class {name!r}: {counts[name]} examples", "[classes] does not list it")


def frequency_violations(frequency: str, expected: str | None) -> Iterator[Violation]:
    """Yield the frequency of a series if it is not the expected one."""
    if expected not in (None, frequency):
        yield Violation(f"the frequency of the times is {frequency!r}", f"has frequency = {_plain(expected)}")


def quoted(key: str) -> str:
    """Return a key as TOML writes it."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _broken(cells: "pd.Series[Any]", rule: Cells) -> Iterator[tuple[str, Mask]]:
    """Yield each key of a rule that a column breaks, and which cells do."""
    empty = (cells.isna() | (cells == "")).to_numpy(bool)
    if rule.missing is not None and empty.mean() > rule.missing:
        yield "missing", empty
    if rule.values is not None:
        names = cells.convert_dtypes().astype("str")  # integers beside an empty cell had become 3.0
        yield from _any("values", ~empty & ~names.isin(rule.values).to_numpy(bool))
    if {rule.type, rule.min, rule.max} != {None}:
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64)
        if rule.type is not None:
            whole = numbers % 1 == 0 if rule.type == "integer" else ~np.isnan(numbers)
            yield from _any("type", ~empty & ~whole)
        yield from _outside(numbers, rule)


def _outside(values: npt.NDArray[np.float64], bounds: Bounds) -> Iterator[tuple[str, Mask]]:
    if bounds.min is not None:
        yield from _any("min", values < bounds.min)
    if bounds.max is not None:
        yield from _any("max", values > bounds.max)


def _any(key: str, broken: Mask) -> Iterator[tuple[str, Mask]]:
    if broken.any():
        yield key, broken


def _share(broken: Mask) -> str:
    return f"{broken.sum():,} of {len(broken):,}"


def _plain(value: Any) -> str:
    """Return a value as people write it: a number without a fraction of zero, a list and text as in TOML."""
    if isinstance(value, float | np.floating | np.integer):
        return str(int(value)) if float(value).is_integer() else str(float(value))
    return short_repr(list(value) if isinstance(value, tuple) else value)

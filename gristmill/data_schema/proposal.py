"""Rules of a schema proposed from data; the `schema_proposal` of each domain collects them.

Proposed rules leave room for new data. Bounds of numbers are wider by half of the range on each side and keep the sign:
values beyond probably have another unit, a lost decimal point, or are a code for "missing" such as -999. Lengths and
sizes may halve and double, classes may have half as many examples, and twice as many cells may be empty.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import pandas as pd

from gristmill.settings.number_text import format_number
from gristmill.util.toml import toml_key


@dataclass(frozen=True)
class SchemaRule:
    """A key of the proposed schema, and why it has its value."""

    key: str
    value: Any
    why: str


SchemaProposal = dict[str, list[SchemaRule]]
"""Rules by table; the key "" holds the rules outside tables."""


def column_table(name: str) -> str:
    """Return the table with the rules of a column."""
    return f"columns.{toml_key(name)}"


def number_rules(values: "pd.Series[float]", empty: float) -> list[SchemaRule]:
    """Return the rules of a column of numbers; `empty` is the largest possible share of empty cells."""
    low, high = float(values.min()), float(values.max())
    whole = bool((values % 1 == 0).all())
    room = (high - low) / 2 or abs(high) / 2 or 1.0
    lower, upper = _rounded(low - room, room, ROUND_FLOOR), _rounded(high + room, room, ROUND_CEILING)
    return [
        SchemaRule("type", "number", 'all whole so far; "integer" rejects fractions' if whole else "whole or not"),
        SchemaRule("min", max(lower, 0) if low >= 0 else lower, f"seen: {format_number(low, 6)}"),
        SchemaRule("max", min(upper, 0) if low < 0 and high <= 0 else upper, f"seen: {format_number(high, 6)}"),
        missing_rule(empty),
    ]


def name_rules(values: "pd.Series[str]", empty: float) -> list[SchemaRule]:
    """Return the rules of a column of names; `empty` is the largest possible share of empty cells."""
    names = sorted(values.unique())
    if len(names) > 50:  # such a column probably gets new ones
        return [missing_rule(empty)]
    return [SchemaRule("values", names, f"{len(names)} seen"), missing_rule(empty)]


def missing_rule(empty: float) -> SchemaRule:
    """Return the rule on empty cells; none is allowed if the data has none."""
    allowed = min(math.ceil(2000 * empty) / 1000, 1.0) if empty else 0
    return SchemaRule("missing", allowed, f"share of empty cells; seen: {f'{empty:.1%} at most' if empty else 'none'}")


def size_rules(values: "pd.Series[int]", unit: str) -> list[SchemaRule]:
    """Return the bounds of lengths or sizes in a unit."""
    low, high = int(values.min()), int(values.max())
    bounds = (("min", low // 2, low), ("max", high * 2, high))
    return [SchemaRule(key, value, f"{unit}; seen: {seen:,}") for key, value, seen in bounds]


def class_rules(counts: Mapping[str, int]) -> list[SchemaRule]:
    """Return the minimum number of examples of each class."""
    return [SchemaRule(name, (count + 1) // 2, f"seen: {count:,}") for name, count in counts.items()]


def _rounded(bound: float, room: float, direction: str) -> int | float:
    """Round a bound outward to two digits of its room."""
    digit = Decimal(1).scaleb(math.floor(math.log10(room)) - 1)
    rounded = float((Decimal(bound) / digit).to_integral_value(direction) * digit)
    # Floats from 2**53 on skip whole numbers.
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded

"""A schema proposed from data that was seen: what a domain's `schema.py` puts together, a line a rule.

Rules leave room for what is new without being wrong. Numbers have half of their range on each side, and do not change
sign for it: what lies beyond is rather another unit, a lost decimal point, or a -999 that stands for nothing. Lengths
and sizes may be half of the least and twice the largest, classes half as frequent, and twice as many cells empty.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import pandas as pd

from gristmill.data_schema.checks import quoted
from gristmill.settings.messages import format_number

_EXACT = 2**53  # below it a float tells every whole number from the next
_WHOLE = 'all whole so far; "integer" would refuse the first that is not'
_LISTED = 50  # names of a column that are listed; of more each new one is hardly a mistake


@dataclass(frozen=True)
class Line:
    """A key of the proposed schema, and why it has its value."""

    key: str
    value: Any
    why: str


Proposal = dict[str, list[Line]]
"""Lines by table; those of no table under ""."""


def column(name: str) -> str:
    """Return the table of a column's rules."""
    return f"columns.{quoted(name)}"


def number_lines(values: "pd.Series[float]", holes: float) -> list[Line]:
    """Return the rules of a column of numbers.

    Args:
        values: those that were seen.
        holes: share of rows that had an empty cell: of this column as many, or fewer.
    """
    low, high = float(values.min()), float(values.max())
    whole = bool((values % 1 == 0).all())
    room = (high - low) / 2 or abs(high) / 2 or 1.0
    least, most = _rounded(low - room, room, ROUND_FLOOR), _rounded(high + room, room, ROUND_CEILING)
    return [
        Line("type", "number", _WHOLE if whole else "whole or not"),
        Line("min", max(least, 0) if low >= 0 else least, f"seen: {format_number(low, 6)}"),
        Line("max", min(most, 0) if low < 0 and high <= 0 else most, f"seen: {format_number(high, 6)}"),
        missing_line(holes),
    ]


def name_lines(values: "pd.Series[str]", holes: float) -> list[Line]:
    """Return the rules of a column of names: which there are, unless they are too many to list.

    Args:
        values: those that were seen.
        holes: share of rows that had an empty cell: of this column as many, or fewer.
    """
    names = sorted(values.unique())
    listed = [Line("values", names, f"{len(names)} seen")] if len(names) <= _LISTED else []
    return [*listed, missing_line(holes)]


def missing_line(holes: float) -> Line:
    """Return the rule of empty cells; none may be where none was seen."""
    allowed = min(math.ceil(2000 * holes) / 1000, 1.0) if holes else 0
    return Line("missing", allowed, f"share of empty cells; seen: {f'{holes:.1%} at most' if holes else 'none'}")


def size_lines(values: "pd.Series[int]", unit: str) -> list[Line]:
    """Return the bounds of lengths or sizes in some unit."""
    low, high = int(values.min()), int(values.max())
    return [Line("min", low // 2, f"{unit}; seen: {low:,}"), Line("max", high * 2, f"{unit}; seen: {high:,}")]


def class_lines(counts: Mapping[str, int]) -> list[Line]:
    """Return the least number of examples of each class."""
    return [Line(name, (count + 1) // 2, f"seen: {count:,}") for name, count in counts.items()]


def _rounded(bound: float, room: float, outward: str) -> int | float:
    """Return a bound to two digits of its room, away from what was seen."""
    digit = Decimal(1).scaleb(math.floor(math.log10(room)) - 1)
    rounded = float((Decimal(bound) / digit).to_integral_value(outward) * digit)
    return int(rounded) if rounded.is_integer() and abs(rounded) < _EXACT else rounded

"""How the numbers of a CSV file are written: decimal mark, mark between thousands, and units."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from gristmill.errors import short_repr
from gristmill.scaffold.proposal import Guess
from gristmill.sources.number_cells import THOUSANDS, without_units

_MAX_CELLS = 10_000  # of a column that are looked at, at equal distances
_MIN_SHARE = 0.9  # minimum share of cells that are numbers for a column to count
_GROUPS = "[.,'’ \u00a0\u2009\u202f]"
_NUMBER = rf"[-+]?(?:\d{{1,3}}(?:{_GROUPS}\d{{3}})+|\d*)(?:[.,]?\d+)?"
_UNIT_BEFORE = r"[^\w\s.,'’+-]{1,2}|[A-Z]{3}|[A-Z]{1,2}\$"  # $, USD or US$
_UNIT_AFTER = r"[^\d\s.,'’+-][^\d.,]{0,7}"  # €, % or km/h
_WITH_UNIT = re.compile(rf"([-+]?)(?:({_UNIT_BEFORE})\s*)?{_NUMBER}\s*({_UNIT_AFTER})?")
_WORDS_OF_NUMBERS = (
    {"yes": 1, "no": 0},
    {"y": 1, "n": 0},
    {"ja": 1, "nein": 0},
    {"oui": 1, "non": 0},
    {"si": 1, "no": 0},
)
_MIN_WITHOUT_MARK = 100  # an unmarked number from here to 999 beside 1.234 says that the mark is between thousands


@dataclass
class _Evidence:
    """A cell of the file that shows what a mark is for, by mark."""

    decimal: dict[str, str] = field(default_factory=dict)
    thousands: dict[str, str] = field(default_factory=dict)
    either: dict[str, str] = field(default_factory=dict)  # 1,234
    beside: set[str] = field(default_factory=set)  # marks of `either` in a column with numbers such as 950


def format_guesses(columns: Iterable["pd.Series[Any]"], separator: str) -> list[Guess]:
    """Return the settings that read most cells of columns of numbers; `columns` have no marks of missing values."""
    evidence, units = _Evidence(), dict[str, str]()
    for column in columns:
        cells = column.iloc[:: len(column) // _MAX_CELLS + 1].dropna().astype("str").str.strip()
        if unit := _unit(cells):
            units.setdefault(unit, str(cells.iloc[0]))
            cells = without_units(cells, [unit])
        if len(cells) and cells.str.fullmatch(_NUMBER).mean() >= _MIN_SHARE:
            _collect(cells, evidence)
    if separator in evidence.either:  # whoever writes 1,234 for 1.234 separates cells by semicolons
        evidence.beside.add(separator)
    guesses = _marks(evidence)
    if units:
        why = f"left out of numbers such as {short_repr(next(iter(units.values())))}"
        guesses.append(Guess("units", list(units), why))
    return guesses


def words_of_numbers(cells: "pd.Series[Any]") -> dict[str, int]:
    """Return the numbers that the cells of a column mean, such as 1 for yes; empty unless all are yes or no."""
    found = set(cells.dropna().astype("str").str.strip().str.casefold())
    return next((words for words in _WORDS_OF_NUMBERS if len(found) == 2 and found == set(words)), {})


def _unit(cells: "pd.Series[str]") -> str:
    """Return the unit of a column, before or after each of its numbers; empty if there is none, or several."""
    matches = [match for cell in cells if (match := _WITH_UNIT.fullmatch(cell)) and re.search(r"\d", cell)]
    found = {(match[2] or match[3] or "").strip() for match in matches}
    if len(found) != 1 or len(matches) < _MIN_SHARE * len(cells):
        return ""
    return found.pop()


def _collect(cells: "pd.Series[str]", evidence: _Evidence) -> None:
    """Add what the cells of one column of numbers show."""

    def first(pattern: str, but: str | None = None) -> str | None:
        matches = cells.str.fullmatch(pattern)
        matches &= ~cells.str.fullmatch(but) if but else True
        return str(cells[matches].iloc[0]) if matches.any() else None

    for mark, other in ((",", "."), (".", ",")):
        group = rf"[-+]?[1-9]\d{{0,2}}\{mark}\d{{3}}"
        if shown := first(rf"[-+]?\d*\{mark}\d+", but=group) or first(
            rf"[-+]?\d{{1,3}}(?:{_GROUPS}\d{{3}})+\{mark}\d+", but=rf"{group}(?:\{mark}\d{{3}})+"
        ):
            evidence.decimal.setdefault(mark, shown)
        if shown := first(rf"{group}(?:\{mark}\d{{3}})+(?:\{other}\d+)?") or first(rf"{group}\{other}\d+"):
            evidence.thousands.setdefault(mark, shown)
        elif shown := first(group):
            evidence.either.setdefault(mark, shown)
            plain = pd.to_numeric(cells, errors="coerce").abs()[~cells.str.contains(mark, regex=False)]
            if plain.between(_MIN_WITHOUT_MARK, 999).any() and not (plain > 999).any() and mark not in evidence.decimal:
                evidence.beside.add(mark)
    for mark in (" ", "'"):
        if shown := first(rf"[-+]?[1-9]\d{{0,2}}(?:{THOUSANDS[mark]}\d{{3}})+(?:[.,]\d+)?"):
            evidence.thousands.setdefault(mark, shown)


def _marks(evidence: _Evidence) -> list[Guess]:
    """Return decimal mark and mark between thousands; the defaults if columns contradict each other."""
    decimal = next(iter(evidence.decimal), None)
    if len(evidence.decimal) > 1:
        return []
    thousands = next((mark for mark in evidence.thousands if mark != decimal), None)
    why = "numbers are written as {}"
    if decimal is None and thousands is None:
        comma_or_point = next(iter(evidence.either), None)
        if comma_or_point in evidence.beside:
            thousands = comma_or_point
        elif comma_or_point == ",":
            decimal, why = ",", 'if {0} means a number over 1,000, use thousands = "," instead'
    elif thousands is None:
        thousands = next((mark for mark in evidence.either if mark != decimal), None)
    if thousands == "." and decimal is None:
        decimal, why = ",", "the points are between thousands"
    shown = {**evidence.either, **evidence.decimal}
    guesses = []
    if decimal == ",":
        guesses.append(
            Guess("decimal", ",", why.format(shown.get(",") or evidence.thousands.get(".") or shown.get(".")))
        )
    if thousands:
        guesses.append(Guess("thousands", thousands, f"as in {evidence.thousands.get(thousands) or shown[thousands]}"))
    return guesses

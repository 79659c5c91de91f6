"""How the numbers of a CSV file are written: decimal mark, mark between thousands, and units."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from gristmill.errors import short_repr
from gristmill.scaffold.proposal import Guess
from gristmill.sources.number_cells import THOUSANDS, grouped_digits, with_ascii_signs, without_unit

_MIN_SHARE = 0.9  # minimum share of cells that are numbers for a column to count
_MARKS = "[.,'’ \u00a0\u2009\u202f]"
_NUMBER = rf"(?:{grouped_digits(_MARKS)}|[-+]?\d*)(?:[.,]?\d+)?"
_CURRENCIES = r"[$€£¥₹]|[A-Z]{1,2}\$|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|BRL|MXN|ZAR|KRW|TRY"
_MEASURES = (
    r"%|‰|°[CF]?|[µmk]?g|lbs?|oz|[nµmcdk]?m|[ck]?m[²³23]|ft|mi|km/h|mph|m/s|m?s|sec|min|hrs?|h|days?"
    r"|[kMG]?Wh?|[kMG]?Hz|[hk]?Pa|m?bar|[mc]?l|L|[kMGT]B|ppm"
)
_WITH_UNIT = re.compile(rf"[-+]?(?:({_CURRENCIES})\s*)?(?![-+]?0\d){_NUMBER}\s*({_CURRENCIES}|{_MEASURES})?")
_WORDS_OF_NUMBERS = (
    {"yes": 1, "no": 0},
    {"y": 1, "n": 0},
    {"ja": 1, "nein": 0},
    {"oui": 1, "non": 0},
    {"si": 1, "no": 0},
    {"true": 1, "false": 0},
    {"on": 1, "off": 0},
)


@dataclass
class _Evidence:
    """A cell of the file that shows what a mark is for, by mark."""

    decimal: dict[str, str] = field(default_factory=dict)
    thousands: dict[str, str] = field(default_factory=dict)
    either: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))  # by column: 1,234
    beside: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))  # those with numbers such as 950


def format_guesses(columns: Mapping[str, "pd.Series[Any]"], separator: str) -> list[Guess]:
    """Return the settings that read most cells of columns of numbers; `columns` have no marks of missing values."""
    evidence = _Evidence()
    units: dict[str, str] = {}
    for name, column in columns.items():
        # At most 10,000 cells, at equal distances
        cells = with_ascii_signs(column.iloc[:: len(column) // 10_000 + 1].dropna().astype("str").str.strip())
        if unit := _find_unit(cells):
            units[name] = unit
            example = str(cells.iloc[0])
            cells = without_unit(cells, unit).dropna()
        if len(cells) and cells.str.fullmatch(_NUMBER).mean() >= _MIN_SHARE:
            _collect_evidence(name, cells, evidence)
    guesses = _choose_marks(evidence, separator)
    if units:
        guesses.append(Guess("units", units, f"left out of numbers such as {short_repr(example)}"))
    return guesses


def words_of_numbers(cells: "pd.Series[Any]") -> dict[str, int]:
    """Return the numbers that the cells of a column mean, such as 1 for yes; empty unless all are yes or no."""
    words = set(cells.dropna().astype("str").str.strip().str.casefold())
    return next((numbers for numbers in _WORDS_OF_NUMBERS if words == set(numbers)), {})


def _find_unit(cells: "pd.Series[str]") -> str:
    """Return the unit of a column, before or after each of its numbers; empty if some have none or another one."""
    matches = [match for cell in cells if (match := _WITH_UNIT.fullmatch(cell)) and re.search(r"\d", cell)]
    units = {match[1] or match[2] or "" for match in matches}
    return units.pop() if len(units) == 1 and len(matches) >= _MIN_SHARE * len(cells) else ""


def _collect_evidence(name: str, cells: "pd.Series[str]", evidence: _Evidence) -> None:
    """Add what the cells of one column of numbers show."""

    def first(pattern: str, but: str | None = None) -> str | None:
        matches = cells.str.fullmatch(pattern)
        matches &= ~cells.str.fullmatch(but) if but else True
        return str(cells[matches].iloc[0]) if matches.any() else None

    for mark, other in ((",", r"\."), (".", ",")):
        escaped = re.escape(mark)
        with_one, with_several = grouped_digits(escaped, "{1}"), grouped_digits(escaped, "{2,}")
        after_groups = rf"{grouped_digits(_MARKS)}{escaped}\d+"
        if shown := first(rf"[-+]?\d*{escaped}\d+", but=with_one) or first(after_groups, but=with_several):
            evidence.decimal.setdefault(mark, shown)
        if shown := first(rf"{with_several}(?:{other}\d+)?") or first(rf"{with_one}{other}\d+"):
            evidence.thousands.setdefault(mark, shown)
        elif shown := first(with_one):
            evidence.either[mark][name] = shown
            plain = pd.to_numeric(cells, errors="coerce").abs()[~cells.str.contains(mark, regex=False)]
            # An unmarked number from 100 to 999 beside 1.234 says that the mark is between thousands.
            if plain.between(100, 999).any() and not (plain > 999).any() and mark not in evidence.decimal:
                evidence.beside[mark].add(name)
    for mark in (" ", "'"):
        if shown := first(rf"{grouped_digits(THOUSANDS[mark])}(?:[.,]\d+)?"):
            evidence.thousands.setdefault(mark, shown)


def _choose_marks(evidence: _Evidence, separator: str) -> list[Guess]:
    """Return decimal mark and mark between thousands; the defaults if columns contradict each other."""
    if len(evidence.decimal) > 1:
        return []
    # Decide by the cells that show what a mark is for, or else by those that may mean either.
    decimal, why = next(iter(evidence.decimal), None), "numbers are written as {}"
    either = {mark: next(iter(cells.values())) for mark, cells in evidence.either.items()}
    thousands = next((mark for mark in evidence.thousands if mark != decimal), None)
    if decimal is None and thousands is None:
        unsure = next(iter(either), None)
        if unsure in evidence.beside or unsure == separator:  # whoever writes 1,234 for 1.234 separates by semicolons
            thousands = unsure
        elif unsure == ",":
            decimal, why = ",", 'if {0} means a number over 1,000, use thousands = "," instead'
        elif unsure == "." and separator != ",":
            decimal, why = ".", 'if {0} means a number over 1,000, use decimal = "," and thousands = "."'
    elif thousands is None:
        thousands = next((mark for mark in either if mark != decimal), None)
    if thousands == "." and decimal is None:
        decimal, why = ",", "the points are between thousands"
    # Write the settings, each with a cell that shows it.
    shown = either | evidence.decimal
    guesses = []
    if decimal == "," or "{0}" in why:
        cell = shown.get(str(decimal)) or evidence.thousands.get(".") or shown.get(".")
        guesses.append(Guess("decimal", decimal, why.format(cell)))
    if thousands:
        why = f"as in {evidence.thousands.get(thousands) or shown[thousands]}"
        unsure_columns = [name for name in evidence.either.get(thousands, ()) if name not in evidence.beside[thousands]]
        if unsure_columns and thousands != separator:
            cell = evidence.either[thousands][unsure_columns[0]]
            why += f"; check {', '.join(map(repr, unsure_columns))}, where {cell} is read as a number over 1,000"
        guesses.append(Guess("thousands", thousands, why))
    return guesses

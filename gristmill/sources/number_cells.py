"""Cells of text files as numbers: decimal mark, mark between thousands, unit, and words that stand for numbers."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

THOUSANDS = {".": r"\.", ",": ",", " ": "[ \u00a0\u2009\u202f]", "'": "['’]"}
"""Pattern of each mark between thousands: spreadsheets write several kinds of blanks and apostrophes."""

MULTIPLIER = r"[kKM]|[mb]n|Mio\.?|Mrd\.?|Tsd\.?"
"""Pattern of words that multiply a number, which are therefore not units."""

_INTEGER = r"-?(0|[1-9]\d{0,14})"
_DECIMAL = rf"{_INTEGER}(\.(\d*[1-9]|0))?"  # without zeros at the end: 3.1 and 3.10 may be names


def parse_numbers(
    cells: "pd.Series[Any]",
    decimal: str = ".",
    thousands: str | None = None,
    unit: str | None = None,
    values: Mapping[str, float] | None = None,
) -> "pd.Series[float]":
    """Return cells as float64, NaN where one is empty or not a number.

    Args:
        cells: text, with missing values where a cell is empty.
        decimal: decimal mark.
        thousands: mark between groups of three digits; a number may have none, but not some in other places.
        unit: text before or after each number; a cell without it is not a number.
        values: numbers by the words that stand for them, in any case.
    """
    import pandas as pd

    plain = cells if cells.dtype == "str" else cells.astype("str").mask(cells.isna())
    if not (unit or thousands or values or decimal == ","):
        numbers = pd.to_numeric(plain, errors="coerce").astype("float64")
        if numbers.notna().equals(cells.notna()):  # most columns, for which the steps below take much longer
            return numbers
    plain = with_ascii_signs(plain)
    if unit:
        plain = without_unit(plain, unit)
    if thousands:
        mark = THOUSANDS[thousands]
        grouped = plain.str.fullmatch(rf"\s*{grouped_digits(mark)}(?:{re.escape(decimal)}\d*)?\s*", na=False)
        plain = plain.mask(grouped, plain.str.replace(mark, "", regex=True))
    if decimal == ",":  # 1.234 would be read a thousand times too small
        plain = plain.mask(plain.str.contains(".", regex=False, na=False)).str.replace(",", ".", regex=False)
    numbers = pd.to_numeric(plain, errors="coerce").astype("float64")
    if values:
        words = {word.casefold(): number for word, number in values.items()}
        numbers = numbers.fillna(cells.astype("str").str.strip().str.casefold().map(words))
    return numbers


def grouped_digits(mark: str, count: str = "+") -> str:
    """Return the pattern of a number in groups of three digits, of which the first does not begin with 0.

    `mark` is the pattern between groups, and `count` says how many marks there are.
    """
    return rf"[-+]?[1-9]\d{{0,2}}(?:{mark}\d{{3}}){count}"


def with_ascii_signs(cells: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return cells with a hyphen for each minus sign, and each en dash, which word processors write."""
    return cells.str.translate(str.maketrans("\u2212\u2013", "--"))


def without_unit(cells: "pd.Series[Any]", unit: str) -> "pd.Series[Any]":
    """Return cells without the unit before the number, also after its sign, or after it; missing without a unit."""
    unit = re.escape(unit)
    numbers = cells.str.replace(rf"^\s*([-+]?)\s*{unit}\s*", r"\1", regex=True).str.replace(
        rf"\s*{unit}\s*$", "", regex=True
    )
    return numbers.mask(numbers == cells)


def plain_numbers(cells: "pd.Series[str]") -> "pd.Series[Any]":
    """Return cells as numbers if that loses nothing: all are integers, or decimals as Python or with equal digits."""
    import pandas as pd

    known = cells.dropna()
    if cells.dtype != "str" or known.empty:
        return cells
    is_integer = known.str.fullmatch(_INTEGER).all()
    has_equal_digits = (
        known.str.fullmatch(rf"{_INTEGER}\.\d+").all() and known.str.split(".").str[1].str.len().nunique() == 1
    )
    if not (is_integer or has_equal_digits or known.str.fullmatch(_DECIMAL).all()):
        return cells
    return pd.to_numeric(cells).astype("Int64" if is_integer else "float64")

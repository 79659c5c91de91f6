"""Cells of text files as numbers: decimal mark, mark between thousands, units, and words that stand for numbers."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

THOUSANDS = {".": r"\.", ",": ",", " ": "[ \u00a0\u2009\u202f]", "'": "['’]"}
"""Pattern of each mark between thousands: spreadsheets write several kinds of blanks and apostrophes."""

_NO_WORDS: Mapping[str, float] = MappingProxyType({})


def parse_numbers(
    cells: "pd.Series[Any]",
    decimal: str = ".",
    thousands: str | None = None,
    units: Sequence[str] = (),
    values: Mapping[str, float] = _NO_WORDS,
) -> "pd.Series[float]":
    """Return cells as float64, NaN where one is empty or not a number.

    Args:
        cells: text, with missing values where a cell is empty.
        decimal: decimal mark.
        thousands: mark between groups of three digits; a number may have none, but not some in other places.
        units: texts to remove before or after a number.
        values: numbers by the words that stand for them, in any case.
    """
    import pandas as pd

    plain = cells if cells.dtype == "str" else cells.astype("str").mask(cells.isna())
    if units:
        plain = without_units(plain, units)
    if thousands:
        mark = THOUSANDS[thousands]
        grouped = plain.str.fullmatch(rf"\s*[-+]?\d{{1,3}}(?:{mark}\d{{3}})+(?:{re.escape(decimal)}\d*)?\s*", na=False)
        plain = plain.mask(grouped, plain.str.replace(mark, "", regex=True))
    if decimal == ",":  # 1.234 would be read a thousand times too small
        plain = plain.mask(plain.str.contains(".", regex=False, na=False)).str.replace(",", ".", regex=False)
    numbers = pd.to_numeric(plain, errors="coerce").astype("float64")
    if values:
        numbers = numbers.fillna(cells.astype("str").str.strip().str.casefold().map(_casefolded(values)))
    return numbers


def without_units(cells: "pd.Series[Any]", units: Sequence[str]) -> "pd.Series[Any]":
    """Return cells without a unit before the number, also after its sign, or after it."""
    unit = "|".join(map(re.escape, sorted(units, key=len, reverse=True)))
    return cells.str.replace(rf"^\s*([-+]?)\s*(?:{unit})\s*", r"\1", regex=True).str.replace(
        rf"\s*(?:{unit})\s*$", "", regex=True
    )


def _casefolded(values: Mapping[str, float]) -> dict[str, float]:
    return {word.casefold(): number for word, number in values.items()}

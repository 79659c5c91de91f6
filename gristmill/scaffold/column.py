"""One column of a table as it is looked at: what it holds, and what it is no use for."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from gristmill.errors import short_repr
from gristmill.sources.rows import MAX_NUMBER

_IDS = {"id", "identifier", "index", "key", "no", "nr", "number", "obs"}  # words in the names of columns
_NAMES = {"id", "ids", "identifier", "key", "uuid"}
_DECORATED = r"[-+]?[$€£¥]?\s?[-+]?(\d{1,3}([.,'\s]\d{3})+|\d+)([.,]\d+)?\s?[%$€£¥]?"  # -1,234.50 €
_FEW = 50  # different names that a category has at most
_SHARE = 0.2  # of the rows: more different names tell too little each
_MARKS = {"na", "n/a", "n.a.", "#n/a", "nan", "null", "nil", "none", "missing", "?", "-", "--", ".", "..", "*"}
_STRAY = 0.1  # of the cells: with fewer that are none, a column is meant to hold numbers
_MOSTLY = 0.5  # share of bad cells below which a column could be the target once they are corrected


@dataclass(frozen=True, eq=False)
class Column:
    """The cells of a column, and the numbers that they are."""

    name: str
    cells: "pd.Series[Any]"  # empty ones missing
    numbers: "pd.Series[float] | None"  # None where a cell is none
    plain: "pd.Series[Any]"  # the cells without the marks of missing values that the source can be given
    decimal: str = "."  # mark of decimals in the cells

    @cached_property
    def empty(self) -> int:
        """How many cells are empty."""
        return int(self.cells.isna().sum())

    @cached_property
    def distinct(self) -> int:
        """How many different values there are."""
        return int(self.cells.nunique())

    @cached_property
    def numbers_rows(self) -> bool:
        """Whether it only numbers the rows: one by one, or by name and each another."""
        values = self.numbers
        if values is None or self.empty or len(values) < 3:
            return False
        named = not _IDS.isdisjoint(re.split(r"[^a-z]+", self.name.lower())) and self.distinct == len(values)
        return named or bool((np.diff(values) == 1).all())

    @cached_property
    def bad(self) -> "pd.Series[bool]":
        """Which cells are neither empty nor a number that the source can read."""
        return self.plain.notna() & ~(self._read.abs() < MAX_NUMBER)

    @cached_property
    def spoilt(self) -> str:
        """What keeps a column from holding numbers that is meant to, and what to do; empty where nothing does."""
        if self.numbers is not None or not self.bad.any():
            return ""
        there = int(self.plain.notna().sum())
        if self.bad.sum() <= _STRAY * there:
            return f"holds {short_repr(self.cells[self.bad].iloc[0])} among numbers: empty such cells"
        decorated = self._decorated
        if decorated.sum() < max(1, (1 - _STRAY) * there):
            return ""
        marked = self.plain[decorated & self._read.isna()]
        return (
            f"holds {short_repr(marked.iloc[0])}: take out all but digits and the mark of decimals"
            if len(marked)
            else ""
        )

    @cached_property
    def first_bad(self) -> int | None:
        """Position of the first cell that keeps a column of mostly numbers from holding numbers; None for others."""
        if self.numbers is not None or not self.bad.any():
            return None
        return int(self.bad.argmax()) if self._holds_mostly_numbers or self.spoilt else None

    @cached_property
    def cleaned(self) -> "Column":
        """The column as it would be without the cells that are no numbers, or without the marks in all of them."""
        if self.first_bad is None:
            return self
        kept = ~self.bad if self._holds_mostly_numbers else self.plain.notna()
        return Column(self.name, self.plain[kept], self._read[kept], self.plain[kept], self.decimal)

    @property
    def _holds_mostly_numbers(self) -> bool:
        return bool(self.bad.sum() < _MOSTLY * self.plain.notna().sum())

    @cached_property
    def _read(self) -> "pd.Series[float]":
        return as_numbers(self.plain, self.decimal)

    @property
    def _decorated(self) -> "pd.Series[bool]":
        """Which cells are numbers, or would be without currency, percent or marks of thousands."""
        return self.plain.astype("str").str.strip().str.fullmatch(_DECORATED) & self.plain.notna()

    @property
    def is_named_like_id(self) -> bool:
        """Whether its name says that it names something."""
        return not _NAMES.isdisjoint(re.split(r"[^a-z]+", self.name.lower()))

    @property
    def is_category(self) -> bool:
        """Whether it holds a few names again and again."""
        return 2 <= self.distinct <= min(_FEW, max(2, _SHARE * len(self.cells))) and self.cells.dtype.kind != "M"

    @property
    def useless(self) -> str:
        """Why nothing can be learnt from it; empty where something can."""
        if self.distinct < 2:
            return "holds one value" if self.distinct else "is empty"
        if self.empty > len(self.cells) / 2:
            return f"is mostly empty, {self.empty:,} of {len(self.cells):,} cells"
        return "numbers the rows" if self.numbers_rows else ""


def marks_in(cells: "pd.Series[str]") -> list[str]:
    """Return the usual marks of a missing value that stand in a column of a CSV file, such as NA."""
    stripped = cells.dropna().str.strip()
    return sorted(stripped[stripped.str.lower().isin(_MARKS)].unique())


def unmarked(cells: "pd.Series[str]") -> "pd.Series[str]":
    """Return the cells without those marks: missing where one stood."""
    return cells.mask(cells.str.strip().isin(marks_in(cells)))


def as_numbers(cells: "pd.Series[Any]", decimal: str) -> "pd.Series[float]":
    """Return the cells of a file as numbers, as its source reads them; NaN where one is empty or no number."""
    plain = cells.astype("str").mask(cells.isna())
    if decimal == ",":
        plain = plain.mask(plain.str.contains(".", regex=False, na=False)).str.replace(",", ".", regex=False)
    return pd.to_numeric(plain, errors="coerce").astype("float64")


def numbers_in(cells: "pd.Series[str]", decimal: str) -> "pd.Series[float] | None":
    """Return the cells of a CSV file as numbers, as its source would; None where one is no finite number."""
    if cells.notna().sum() == 0:
        return None
    values = as_numbers(cells, decimal)
    return values if (cells.isna() | (values.abs() < MAX_NUMBER)).all() else None

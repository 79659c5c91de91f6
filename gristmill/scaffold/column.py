"""One column of a table: its content, and why it may be unusable."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from gristmill.errors import short_repr
from gristmill.settings.base import MAX_NUMBER
from gristmill.sources.number_cells import MULTIPLIER, parse_numbers
from gristmill.sources.parts import PARTS

Parse = Callable[["pd.Series[Any]"], "pd.Series[float]"]

_ROW_NUMBER_WORDS = {"id", "identifier", "index", "key", "no", "nr", "number", "obs", "row", "rownames", "unnamed"}
_ID_WORDS = {"id", "ids", "identifier", "key", "uuid"}
_DECORATED_NUMBER = (  # -1,234.50 €, (1,234.50), 2,50,000 or 1.1k
    rf"\(?[-+]?[$€£¥]?\s?[-+]?(\d{{1,3}}([.,'\s]\d{{3}})+|\d{{1,2}}(,\d\d)+,\d{{3}}|\d+)([.,]\d+)?"
    rf"\s?([%$€£¥]|{MULTIPLIER})?\)?"
)
MISSING_MARKS = {"na", "n/a", "n.a.", "#n/a", "nan", "null", "nil", "none", "missing"}
MISSING_MARKS |= {"?", "-", "--", "–", "—", ".", "..", "*"}
_MAX_BAD_SHARE = 0.1  # maximum share of bad cells for a column to count as numeric


@dataclass(frozen=True, eq=False)
class SampledColumn:
    """Cells of a column, also as numbers if they are."""

    name: str
    cells: "pd.Series[Any]"
    numbers: "pd.Series[float] | None"  # None if a cell is not a number
    unmarked: "pd.Series[Any]"  # the cells without marks such as NA, which the source can treat as missing
    parse: Parse = parse_numbers  # how the source reads numbers

    @cached_property
    def empty(self) -> int:
        """Return the number of empty cells."""
        return int(self.cells.isna().sum())

    @cached_property
    def distinct(self) -> int:
        """Return the number of different values."""
        return int(self.cells.nunique())

    @property
    def words(self) -> set[str]:
        """Return the words of the name: customer and id of `customerID`, `customer_id` and `Customer ID`."""
        return words_of(self.name)

    @property
    def is_named_like_id(self) -> bool:
        """Return whether the name says that the column identifies something."""
        return not _ID_WORDS.isdisjoint(self.words)

    @property
    def names_parts(self) -> bool:
        """Return whether the cells name training, validation and test set, or two of them."""
        return self.distinct > 1 and {str(cell).lower() for cell in self.cells.dropna().unique()} <= {*PARTS}

    @property
    def is_category(self) -> bool:
        """Return whether the column repeats a few values: at most 50, with five rows for each on average."""
        return 2 <= self.distinct <= min(50, max(2, 0.2 * len(self.cells))) and self.cells.dtype.kind != "M"

    @cached_property
    def numbers_rows(self) -> bool:
        """Return whether the column counts the rows, or is named like that and has different values."""
        values = self.numbers
        if values is None or self.empty or len(values) < 3:
            return False
        is_named = not _ROW_NUMBER_WORDS.isdisjoint(self.words) and self.distinct == len(values)
        return (is_named and bool((values % 1 == 0).all())) or bool((np.diff(values) == 1).all())

    @property
    def why_constant(self) -> str:
        """Return why the values tell nothing about a row; empty if they may."""
        if self.distinct < 2:
            return "has only one value" if self.distinct else "is empty"
        return "numbers the rows" if self.numbers_rows else ""

    @property
    def why_useless(self) -> str:
        """Return why the column cannot be a number that is predicted or forecast from; empty if it can."""
        if self.distinct > 1 and self.empty > len(self.cells) / 2:
            return f"is mostly empty, {self.empty:,} of {len(self.cells):,} cells"
        return self.why_constant

    @cached_property
    def bad(self) -> "pd.Series[bool]":
        """Return which cells are neither empty nor a number that the source can read."""
        return self.unmarked.notna() & ~(self._parsed.abs() < MAX_NUMBER)

    @cached_property
    def why_not_numbers(self) -> str:
        """Return why a mostly numeric column cannot be read as numbers; empty for other columns."""
        if self.numbers is not None or not self.bad.any():
            return ""
        count = int(self.unmarked.notna().sum())
        if self.bad.sum() <= _MAX_BAD_SHARE * count:
            return f"holds {short_repr(self.cells[self.bad].iloc[0])} among numbers: empty such cells"
        decorated = self.unmarked.astype("str").str.strip().str.fullmatch(_DECORATED_NUMBER) & self.unmarked.notna()
        marked = self.unmarked[decorated & self._parsed.isna()]
        if decorated.sum() < max(1, (1 - _MAX_BAD_SHARE) * count) or marked.empty:
            return ""
        plain = self.unmarked[self._parsed.notna()]
        kinds = [short_repr(cells.iloc[0]) for cells in (marked, plain) if len(cells)]
        remedy = "use only digits, a minus sign and the decimal mark, or convert it in source.prepare,"
        return f"holds {' and '.join(kinds)}: {remedy}"

    @property
    def possible_unit(self) -> str:
        """Return a text after each number that may be a unit unknown to `init`; empty if there is none."""
        cells = self.unmarked.dropna().astype("str").str.strip()
        units = cells.str.extract(r"^[-+]?[\d.,]*\d\s?([^\W\d_]{1,8})$")[0].unique()
        return str(units[0]) if len(units) == 1 and isinstance(units[0], str) else ""

    @cached_property
    def first_bad(self) -> int | None:
        """Return the position of the first bad cell in a column of mostly numbers; None for other columns."""
        if self.numbers is not None or not self.bad.any():
            return None
        return int(self.bad.argmax()) if self._is_mostly_numbers or self.why_not_numbers else None

    @cached_property
    def cleaned(self) -> "SampledColumn":
        """Return the column without its bad cells, or without the marks if all cells have them."""
        if self.first_bad is None:
            return self
        kept = ~self.bad if self._is_mostly_numbers else self.unmarked.notna()
        return SampledColumn(self.name, self.unmarked[kept], self._parsed[kept], self.unmarked[kept], self.parse)

    @property
    def _is_mostly_numbers(self) -> bool:
        """Return whether the column could be the target if its bad cells were corrected."""
        count = (self.bad & self._parsed.isna()).sum()  # without numbers that are not finite or too large
        return bool(count < 0.5 * self.unmarked.notna().sum())

    @cached_property
    def _parsed(self) -> "pd.Series[float]":
        return self.parse(self.unmarked)


def words_of(name: str) -> set[str]:
    """Return the words of a name in lower case, which other characters or capital letters separate."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def missing_marks(cells: "pd.Series[str]") -> list[str]:
    """Return the usual marks of a missing value, such as NA, in a column of a CSV file."""
    stripped = cells.dropna().str.strip()
    return sorted(stripped[stripped.str.lower().isin(MISSING_MARKS)].unique())

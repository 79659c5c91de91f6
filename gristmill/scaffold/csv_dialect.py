"""Encoding, separator and decimal mark of a CSV file."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from gristmill.errors import DataError, short_repr
from gristmill.scaffold.encodings import encoding_guesses, encoding_of
from gristmill.scaffold.proposal import Guess
from gristmill.sources.packed import read_bytes
from gristmill.sources.tables.csv import is_tab_separated

_SAMPLE_BYTES = 1 << 18  # bytes to search for the separator
_SEPARATORS = ",;\t|: "  # the first of those that split rows into equally many cells is chosen
_MIN_TABLE_LINES = 3  # minimum lines, including the header, of a table below other lines
_MIN_EQUAL_SHARE = 0.9  # minimum share of rows with as many cells as the header


def dialect_guesses(path: Path) -> list[Guess]:
    """Return the settings needed to read a CSV file, except for its decimal mark."""
    content = read_bytes(path)
    encoding = encoding_of(path, [content])
    sample = content[:_SAMPLE_BYTES].decode(encoding, "ignore").removeprefix("\ufeff")
    if not sample.strip():
        raise DataError(f"{path}: the file is empty. Expected a header line and rows.")
    if len(content) > _SAMPLE_BYTES:
        sample = sample[: sample.rfind("\n") + 1]
    csv.field_size_limit(2**31 - 1)
    separator = max(_SEPARATORS, key=lambda mark: _width(sample, mark))
    width = _width(sample, separator)
    if width == 1:
        _check_no_preamble(path, sample)
    header = _rows(sample, separator)[0]
    if all(re.fullmatch(r"[-+]?\d[\d.,:/eE+-]*", cell.strip()) for cell in header):
        raise DataError(f"{path}: the first line, {short_repr(header)}, has no column names. Add a line of names.")
    default = "\t" if is_tab_separated(path.name) else ","
    why = f"splits every row into {width} cells like the header"
    return [*([Guess("separator", separator, why)] if separator != default else []), *encoding_guesses(encoding)]


def has_decimal_commas(columns: Iterable["pd.Series[str]"]) -> bool:
    """Return whether some columns of numbers are written as 1,5 and none as 1.5; a few other cells do not count."""
    found = dict.fromkeys(",.", False)
    for column in columns:
        cells = column.dropna().str.strip()
        for mark, thousands in (",.", ".,"):
            number = rf"[-+]?(\d*\{mark}?\d+|\d{{1,3}}(\{thousands}\d{{3}})+(\{mark}\d+)?)"
            matches = cells[cells.str.fullmatch(number)]
            enough = len(matches) >= _MIN_EQUAL_SHARE * len(cells)
            found[mark] |= enough and bool(matches.str.contains(mark, regex=False).any())
    return found[","] and not found["."]


def _rows(sample: str, separator: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator) if row]


def _width(sample: str, separator: str) -> int:
    """Return the number of cells in the header; 1 if too many rows have a different number."""
    header, *rows = _rows(sample, separator)
    equal = sum(len(row) == len(header) for row in rows)
    return len(header) if equal >= _MIN_EQUAL_SHARE * len(rows) else 1


def _check_no_preamble(path: Path, sample: str) -> None:
    """Raise `DataError` if rows have the same number of cells only after some leading lines."""
    for separator in _SEPARATORS.replace(":", "").replace(" ", ""):  # these two occur in sentences too
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
        rows = [(reader.line_num, len(row)) for row in reader if row]
        (width, _), *_ = Counter(width for _, width in rows).most_common(1)
        first = next(at for at, (_, cells) in enumerate(rows) if cells == width)
        equal = sum(cells == width for _, cells in rows[first:])
        if width > 1 and first > 0 and equal >= max(_MIN_TABLE_LINES, _MIN_EQUAL_SHARE * (len(rows) - first)):
            raise DataError(
                f"{path}: line {rows[first][0]} looks like the header, split by {separator!r}. Remove the lines above."
            )

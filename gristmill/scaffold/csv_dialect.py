"""How a CSV file is written: encoding, separator, decimal mark."""

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

_SAMPLE = 1 << 18  # bytes that the separator is sought in
_SEPARATORS = ",;\t|: "  # of those that cut alike into as many cells the first counts
_LEAST = 3  # lines, the header and others, that show how rows are cut
_ALIKE = 0.9  # of the rows have as many cells as the header


def dialect(path: Path) -> list[Guess]:
    """Return what must be set for a CSV file to be read, apart from its decimal mark.

    Raises:
        DataError: it is empty, holds something else than text, or has no header.
    """
    content = read_bytes(path)
    encoding = encoding_of(path, [content])
    sample = content[:_SAMPLE].decode(encoding, "ignore").removeprefix("\ufeff")
    if not sample.strip():
        raise DataError(f"{path}: the file is empty. Expected a header line and rows.")
    if len(content) > _SAMPLE:
        sample = sample[: sample.rfind("\n") + 1]
    csv.field_size_limit(2**31 - 1)
    separator = max(_SEPARATORS, key=lambda mark: _width(sample, mark))
    if _width(sample, separator) == 1:
        _refuse_preamble(path, sample)
    _refuse_no_header(path, _rows(sample, separator)[0])
    usual = "\t" if is_tab_separated(path.name) else ","
    cut = [
        Guess("separator", separator, f"cuts rows into {_width(sample, separator)} cells, as many as the header has")
    ]
    return [*(cut if separator != usual else []), *encoding_guesses(encoding)]


def has_decimal_commas(columns: Iterable["pd.Series[str]"]) -> bool:
    """Whether columns of numbers, but for a few cells that are none, hold 1,5 and none 1.5."""
    there = dict.fromkeys(",.", False)
    for column in columns:
        cells = column.dropna().str.strip()
        for mark, thousands in (",.", ".,"):
            number = rf"[-+]?(\d*\{mark}?\d+|\d{{1,3}}(\{thousands}\d{{3}})+(\{mark}\d+)?)"
            fits = cells[cells.str.fullmatch(number)]
            there[mark] |= len(fits) >= _ALIKE * len(cells) and bool(fits.str.contains(mark, regex=False).any())
    return there[","] and not there["."]


def _rows(sample: str, separator: str) -> list[list[str]]:
    return [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator) if row]


def _width(sample: str, separator: str) -> int:
    """Return how many cells the header has, 1 where too many rows have others."""
    header, *rows = _rows(sample, separator)
    alike = sum(len(row) == len(header) for row in rows)
    return len(header) if alike >= _ALIKE * len(rows) else 1


def _refuse_preamble(path: Path, sample: str) -> None:
    """Refuse lines above the header: others are cut alike into several cells from a later line on."""
    for separator in _SEPARATORS.replace(":", "").replace(" ", ""):  # which stand in plain sentences too
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=separator)
        rows = [(reader.line_num, len(row)) for row in reader if row]
        (width, _), *_ = Counter(width for _, width in rows).most_common(1)
        first = next(at for at, (_, cells) in enumerate(rows) if cells == width)
        alike = sum(cells == width for _, cells in rows[first:])
        if width > 1 and first > 0 and alike >= max(_LEAST, _ALIKE * (len(rows) - first)):
            line = rows[first][0]
            raise DataError(
                f"{path}: line {line} looks like the header, cut by {separator!r}. Remove the lines above it."
            )


def _refuse_no_header(path: Path, header: list[str]) -> None:
    """Refuse a first line that holds values and no names."""
    if all(re.fullmatch(r"[-+]?\d[\d.,:/eE+-]*", cell.strip()) for cell in header):
        raise DataError(
            f"{path}: the first line, {short_repr(header)}, names no columns. Put a line of names above it."
        )

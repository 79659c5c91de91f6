"""Layout of a CSV file: encoding, separator, rows above the header, rows of the header, comments and footer."""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from gristmill.errors import DataError, short_repr
from gristmill.scaffold.column import MISSING_MARKS
from gristmill.scaffold.encodings import encoding_guesses, encoding_of
from gristmill.scaffold.proposal import Guess
from gristmill.sources.csv_text import is_comment, without_comments
from gristmill.sources.packed import read_bytes
from gristmill.sources.tables.csv import MAX_FOOTER, is_tab_separated

_SAMPLE_BYTES = 1 << 18  # bytes to search for the separator
_COMMENT = "#"
_SEPARATORS = ",;\t|: "  # the first of those that split rows into equally many cells is chosen
_SEPARATORS_BELOW_TEXT = ",;\t|"  # the other two occur in sentences too
_MIN_TABLE_LINES = 3  # minimum lines, including the header, of a table below other lines
_MIN_EQUAL_SHARE = 0.9  # minimum share of rows with as many cells as the header
_TOTAL_WORDS = {"total", "totals", "grand total", "subtotal", "sum", "average", "summe", "gesamt", "gesamtsumme"}


def dialect_guesses(path: Path) -> list[Guess]:
    """Return the settings needed to read the cells of a CSV file as text.

    Raises:
        DataError: the file is empty or not text, or has no names of columns.
    """
    # Decode the file, and take a sample of whole lines.
    content = read_bytes(path)
    encoding = encoding_of({path: content})
    text = content.decode(encoding, "ignore").removeprefix("\ufeff")
    if not text.strip():
        raise DataError(f"{path}: the file is empty. Expected a header line and rows.")
    sample, end = text[:_SAMPLE_BYTES], text[-_SAMPLE_BYTES:]
    sample = sample if len(text) == len(sample) else sample[: sample.rfind("\n") + 1]
    csv.field_size_limit(2**31 - 1)
    guesses = encoding_guesses(encoding)
    # Remove the comments, and find the rows below the lines above the header.
    if table_separator := _find_separator_below_comments(sample):
        guesses.append(Guess("comment", _COMMENT, f"lines such as {short_repr(sample.strip().splitlines()[0])}"))
        sample, end = (_remove_comments(part, table_separator) for part in (sample, end))
    separator, above = _find_separator(sample)
    rows = [row for row in _split_rows(sample, separator)[above:] if row]
    width, default = len(rows[0]), "\t" if is_tab_separated(path.name) else ","
    if separator != default:
        guesses.append(Guess("separator", separator, f"splits every row into {width} cells like the header"))
    if above:
        why = f"above the header, such as {short_repr(sample.splitlines()[0])}"
        guesses.append(Guess("skip_rows", above, why))
    # Look at the header, at the last rows, and at spaces in all others.
    header, *others = rows
    if all(re.fullmatch(r"[-+]?\d[\d.,:/eE+-]*", cell.strip()) for cell in header):
        raise DataError(f"{path}: the first line, {short_repr(header)}, has no column names. Add a line of names.")
    if _is_header_too(others):
        guesses.append(Guess("header_rows", 2, "no cell of the second row is a number, but those below are"))
    if footer := _find_footer(_split_rows(end, separator), rows, end.endswith(("\n", "\r"))):
        why = f"rows at the end, such as {short_repr(separator.join(footer[-1]))}"
        guesses.append(Guess("footer", [row[0].strip() for row in reversed(footer)], why))
    if spaced := next(_find_spaced_cells(header, others), None):
        guesses.append(Guess("strip", True, f"spaces around cells such as {short_repr(spaced)}"))
    return guesses


def _remove_comments(text: str, separator: str = ",") -> str:
    """Return a text without comments and empty lines; their number does not matter, because comments begin the file."""
    lines = without_comments(io.StringIO(text, newline=""), separator, _COMMENT)
    return "".join(line for line in lines if line.strip())


def _find_separator_below_comments(sample: str) -> str:
    """Return the separator if lines that begin with # are comments, else an empty string.

    Comments begin the file, and none looks like a row of data; a line with an open quote is not a whole row.
    """
    lines = [line for line in io.StringIO(sample, newline="") if line.strip()]
    top = len([*itertools.takewhile(lambda line: is_comment(line, ",", _COMMENT), lines)])
    if not 0 < top < len(lines):
        return ""
    if top == 1 and any(_count_cells(sample, mark) > 1 for mark in _SEPARATORS_BELOW_TEXT):
        return ""  # it is the header
    separator, above = _find_separator(_remove_comments(sample))
    if above:  # all rows above the header are left out by their number
        return ""
    kept = [*without_comments(lines, separator, _COMMENT)]
    width = len(_split_rows("".join(kept[top:]), separator)[0])
    comments_below = (line for line, rest in zip(lines[top:], kept[top:], strict=True) if line != rest)
    is_data = any(len(_split_rows(line, separator)[0]) == width and line.count('"') % 2 == 0 for line in comments_below)
    return "" if is_data else separator


def _find_separator(sample: str) -> tuple[str, int]:
    """Return the separator, and the number of rows above the header."""
    if declared := re.match(r"sep=(.)", sample):  # the first line of some files that Excel wrote
        return declared[1], 1
    separator = max(_SEPARATORS, key=lambda mark: _count_cells(sample, mark))
    candidates = {}  # share of cells with digits in the header, by separator and rows above it
    top = _split_rows(sample, separator)[0]
    may_be_title = len(top) > 1 and not any(top[1:])  # spreadsheets fill up a title with separators
    if _count_cells(sample, separator) > 1:
        candidates[separator, 0] = _share_with_digits(top)
        if not candidates[separator, 0] and not may_be_title:
            return separator, 0
    for mark in _SEPARATORS_BELOW_TEXT:
        rows = _split_rows(sample, mark)
        (width, _), *_ = Counter(len(row) for row in rows if row).most_common(1)
        first = next((at for at, row in enumerate(rows) if len(row) == width and any(row[1:])), 0)
        below = [row for row in rows[first:] if row]
        equal = sum(len(row) == width for row in below)
        if width > 1 and first > 0 and equal >= max(_MIN_TABLE_LINES, _MIN_EQUAL_SHARE * len(below)):
            candidates[mark, first] = _share_with_digits(rows[first])
    # with decimal commas, rows have commas too
    return min(candidates, key=lambda at: (candidates[at], may_be_title and at[1] == 0), default=(separator, 0))


def _share_with_digits(row: list[str]) -> float:
    return sum(bool(re.search(r"\d", cell)) for cell in row) / max(sum(map(bool, row)), 1)


def _split_rows(sample: str, separator: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(sample, newline=""), delimiter=separator))


def _count_cells(sample: str, separator: str) -> int:
    """Return the number of cells in the header; 1 if too many rows have another number, or a cell is a separator."""
    header, *rows = (row for row in _split_rows(sample, separator) if row)
    if not {*header}.isdisjoint(_SEPARATORS_BELOW_TEXT):  # spaces around commas
        return 1
    last = next((at for at, row in enumerate(reversed(rows[-MAX_FOOTER:])) if len(row) == len(header)), 0)
    rows = rows[: len(rows) - last]  # without a footer
    equal = sum(len(row) == len(header) for row in rows)
    return len(header) if equal >= _MIN_EQUAL_SHARE * len(rows) else 1


def _is_header_too(rows: Sequence[list[str]]) -> bool:
    """Return whether the first of the rows below the header names columns as well: only those below have numbers."""
    first, *others = rows[: 1 + _SAMPLE_BYTES // 256] or [[]]
    if len(others) < _MIN_TABLE_LINES or any(re.search(r"\d", cell) for cell in first):
        return False
    numeric = [at for at in range(len(first)) if all(len(row) > at and re.search(r"\d", row[at]) for row in others)]
    names = [first[at].strip().lower() for at in numeric]
    return any(names) and MISSING_MARKS.isdisjoint(names)


def _find_footer(end: Sequence[list[str]], rows: Sequence[list[str]], is_whole: bool) -> list[list[str]]:
    """Return the rows at the end that are no data: totals, and notes if the last row `is_whole` rather than cut."""
    footer: list[list[str]] = []
    for row in [row for row in end if row][: -MAX_FOOTER - 1 : -1]:
        word = row[0].strip().rstrip(":").lower()
        is_total = word in _TOTAL_WORDS and sum(other[0] == row[0] for other in rows) <= 1
        is_note = is_whole and bool(re.search(r"[^\W\d_]", row[0])) and not any(row[1:])
        if not (is_total if len(row) == len(rows[0]) else is_note):
            return footer
        footer.append(row)
    return []  # the whole end is like that, so the rows are wrong in another way


def _find_spaced_cells(header: list[str], rows: Sequence[list[str]]) -> Iterator[str]:
    """Yield cells with spaces around them that matter: names of columns, names that repeat or occur without them."""
    yield from (name for name in header if name != name.strip())
    for at in range(len(header)):
        cells = dict.fromkeys(row[at] for row in rows if len(row) > at)
        are_names = 2 * len(cells) <= len(rows)  # texts hardly repeat, and spaces around them do not matter
        for cell in cells:
            is_name = are_names and any(map(str.isalpha, cell))
            if cell != cell.strip() and (is_name or not cell.strip() or cell.strip() in cells):
                yield cell

"""How text files are written: their encoding, the layout of CSV files, and the numbers in them."""

import codecs
import csv
import io
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill.errors import DataError, count_of, short_repr
from gristmill.scaffold.proposal import Guess
from gristmill.sources.file_content import check_text, read_bytes
from gristmill.sources.number_cells import THOUSANDS, grouped_digits, with_ascii_signs, without_unit
from gristmill.sources.tables.csv import MAX_FOOTER, is_comment, is_tab_separated, without_comments

_SAMPLE_BYTES = 1 << 18  # bytes to search for the separator
_COMMENT = "#"
_SEPARATORS = ",;\t|: "  # the first of those that split rows into equally many cells is chosen
_SEPARATORS_BELOW_TEXT = ",;\t|"  # the other two occur in sentences too
_MIN_TABLE_LINES = 3  # minimum lines, including the header, of a table below other lines
_MIN_EQUAL_SHARE = 0.9  # minimum share of rows with as many cells as the header
_TOTAL_WORDS = {"total", "totals", "grand total", "subtotal", "sum", "average", "summe", "gesamt", "gesamtsumme"}
_MISSING_MARKS = {"na", "n/a", "n.a.", "#n/a", "nan", "null", "nil", "none", "missing"}
_MISSING_MARKS |= {"?", "-", "--", "–", "—", ".", "..", "*"}

_NOTHING = {"none", "nil"}  # marks that may also be values, such as no extras
_CODES = {"NA": "[A-Z]{2,4}", "na": "[a-z]{2}", "Na": "[A-Z][a-z]?"}  # pattern of codes of which a mark may be one
_SIGNS = r"[\W_]+"

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

_MIN_SHARE = 0.9  # minimum share of cells that are numbers for a column to count
MONTHS_WITH_POINTS = {"%m.%Y": r"(0?[1-9]|1[0-2])\.(19|20)\d\d", "%Y.%m": r"(19|20)\d\d\.(0[1-9]|1[0-2])"}
"""Patterns of months that look like numbers, by their format."""
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
        guesses.append(Guess("comment", _COMMENT, f"lines such as {_example(sample.strip().splitlines()[0])}"))
        sample, end = (_remove_comments(part, table_separator) for part in (sample, end))
    separator, above = _find_separator(sample)
    rows = [row for row in _split_rows(sample, separator)[above:] if row]
    width, default = len(rows[0]), "\t" if is_tab_separated(path.name) else ","
    if separator != default:
        guesses.append(Guess("separator", separator, f"splits every row into {width} cells like the header"))
    if above:
        why = f"above the header, such as {_example(sample.splitlines()[0])}"
        guesses.append(Guess("skip_rows", above, why))
    # Look at the header, at the last rows, and at spaces in all others.
    header, *others = rows
    if all(re.fullmatch(r"[-+]?\d[\d.,:/eE+-]*", cell.strip()) for cell in header):
        raise DataError(
            f"{path}: the first line, {short_repr(header)}, has no column names. Add a line above it with "
            f"{count_of(width, 'names')}{f' separated by {separator!r}' * (width > 1)}."
        )
    if _is_header_too(others):
        guesses.append(Guess("header_rows", 2, "no cell of the second row is a number, but those below are"))
    if footer := _find_footer(_split_rows(end, separator), rows, end.endswith(("\n", "\r"))):
        why = f"rows at the end, such as {_example(separator.join(footer[-1]))}"
        guesses.append(Guess("footer", [row[0].strip() for row in reversed(footer)], why))
    if spaced := next(_find_spaced_cells(header, others), None):
        guesses.append(Guess("strip", True, f"spaces around cells such as {_example(spaced)}"))
    return guesses


def _example(text: str) -> str:
    """Return the repr of a line or cell, short enough for a reason."""
    return short_repr(text, max_length=40)


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
    return any(names) and _MISSING_MARKS.isdisjoint(names)


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


def encoding_of(contents: Mapping[Path, bytes]) -> str:
    """Return the encoding of files: that of a byte order mark, or the first likely one that decodes all of them.

    Raises:
        DataError: a file is not text, or is not UTF-8 although at least as many files are.
    """
    for content in contents.values():
        for mark, name in _BYTE_ORDER_MARKS.items():
            if content.startswith(mark):
                return name
    for file, content in contents.items():
        check_text(file, content)
    # In English text in UTF-16 without a mark, every second byte is NUL. Otherwise, a file with a NUL is not text.
    starts = {path: content[:64] for path, content in contents.items()}
    if all(len(start) > 1 and not any(start[1::2]) and all(start[::2]) for start in starts.values()):
        return "utf-16-le"
    for path, start in starts.items():
        if b"\0" in start:
            begin = short_repr(start[:8].decode("latin-1"))
            raise DataError(f"{path}: not text, it begins with {begin}. Save it as a text file.")
    # Files in ASCII can have any of the encodings. All others must have the same.
    beyond_ascii = {path: content for path, content in contents.items() if not content.isascii()}
    other = [path for path, content in beyond_ascii.items() if not _can_decode(content, "utf-8")]
    if other and 2 * len(other) <= len(beyond_ascii):
        raise DataError(
            f"{other[0]}: not UTF-8 ({len(other):,} of {count_of(len(contents), 'files')}), but other files are. "
            "Save all of them as UTF-8."
        )
    encodings = ("utf-8", "cp1252", "latin-1")  # the last one accepts every byte
    return next(name for name in encodings if all(_can_decode(content, name) for content in contents.values()))


def encoding_guesses(encoding: str) -> list[Guess]:
    """Return the setting of an encoding, unless it is the default."""
    if encoding == "utf-8":
        return []
    if encoding.startswith("utf-16"):
        return [Guess("encoding", encoding, "by its byte order mark" if encoding == "utf-16" else "by its NUL bytes")]
    return [Guess("encoding", encoding, "not utf-8; check that é, ü and ß came out right")]


def _can_decode(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


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
    units: dict[str, str] = {}  # by column
    for name, column in columns.items():
        # At most 10,000 cells, at equal distances
        cells = with_ascii_signs(column.iloc[:: len(column) // 10_000 + 1].dropna().astype("str").str.strip())
        # A column has a unit if the same one is before or after each of its numbers.
        matches = [match for cell in cells if (match := _WITH_UNIT.fullmatch(cell)) and re.search(r"\d", cell)]
        units_of_cells = {match[1] or match[2] or "" for match in matches}
        unit = units_of_cells.pop() if len(units_of_cells) == 1 else ""
        if unit and len(matches) >= _MIN_SHARE * len(cells):
            units[name] = unit
            example = str(cells.iloc[0])
            cells = without_unit(cells, unit).dropna()
        are_months = any(cells.str.fullmatch(pattern).all() for pattern in MONTHS_WITH_POINTS.values())
        if len(cells) and not are_months and cells.str.fullmatch(_NUMBER).mean() >= _MIN_SHARE:
            _collect_evidence(name, cells, evidence)
    guesses = _choose_marks(evidence, separator)
    if units:
        guesses.append(Guess("units", units, f"left out of numbers such as {_example(example)}"))
    return guesses


def words_of_numbers(cells: "pd.Series[Any]") -> dict[str, int]:
    """Return the numbers that the cells of a column mean, such as 1 for yes; empty unless all are yes or no."""
    words = set(cells.dropna().astype("str").str.strip().str.casefold())
    return next((numbers for numbers in _WORDS_OF_NUMBERS if words == set(numbers)), {})


def missing_marks(cells: "pd.Series[str]") -> list[str]:
    """Return the usual marks of a missing value, such as NA, in a column of texts."""
    stripped = cells.dropna().str.strip()
    return sorted(stripped[stripped.str.lower().isin(_MISSING_MARKS)].unique())


def may_be_value(mark: str, values: Sequence[str], known: Collection[str] = ()) -> bool:
    """Return whether a mark of a missing value may be one of the values of a column.

    This is true of NA among codes, of - among signs, and of none unless it is `known` from numbers of the file. A
    single other value needs a second one to say something.
    """
    if len(values) < 2 or (mark.lower() in _NOTHING and mark not in known):
        return True
    pattern = _CODES.get(mark, "") if any(map(str.isalpha, mark)) else _SIGNS
    alike = sum(bool(re.fullmatch(pattern, value)) for value in values)
    return 2 * alike >= len(values) and not words_of_numbers(pd.Series(values))


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
            more = f" and {len(unsure_columns) - 1} more" if len(unsure_columns) > 1 else ""
            why += f"; check {unsure_columns[0]!r}{more}, where {cell} is read as a number over 1,000"
        guesses.append(Guess("thousands", thousands, why))
    return guesses

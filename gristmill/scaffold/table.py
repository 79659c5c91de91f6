"""A table with all of its columns, as the project's own source reads them, and why a column may be unusable."""

import contextlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.errors import DataError, count_of, short_repr
from gristmill.scaffold.data import Data
from gristmill.scaffold.file_format import (
    dialect_guesses,
    format_guesses,
    may_be_value,
    missing_marks,
    words_of_numbers,
)
from gristmill.scaffold.proposal import Guess, values_of
from gristmill.settings.base import MAX_NUMBER
from gristmill.sources.file_content import check_table, read_text
from gristmill.sources.number_cells import MULTIPLIER, parse_numbers
from gristmill.sources.rows import Rows, check_columns
from gristmill.sources.set_names import PARTS
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.jsonl import Jsonl, check_lines
from gristmill.sources.tables.parquet import Parquet, complete_parquet

TableFiles = Csv | Jsonl | Parquet

_ROW_NUMBER_WORDS = {"id", "identifier", "index", "key", "no", "nr", "number", "obs", "row", "rownames", "unnamed"}
_ID_WORDS = {"id", "ids", "identifier", "key", "uuid", "guid", "phone", "telephone", "zip", "zipcode", "postcode"}
_ID_WORDS |= {"ssn", "isbn", "ean", "sku", "barcode", "serial", "ticket", "invoice", "iban"}
_NO_IDS = ("paid", "grid", "brid", "lid", "cid", "vid", "fluid", "quid", "apid", "mid", "roid", "arid")  # ends of words
_DECORATED_NUMBER = (  # -1,234.50 €, (1,234.50), 2,50,000 or 1.1k
    rf"\(?[-+]?[$€£¥]?\s?[-+]?(\d{{1,3}}([.,'\s]\d{{3}})+|\d{{1,2}}(,\d\d)+,\d{{3}}|\d+)([.,]\d+)?"
    rf"\s?([%$€£¥]|{MULTIPLIER})?\)?"
)
_MAX_BAD_SHARE = 0.1  # maximum share of bad cells for a column to count as numeric
_KINDS: dict[str, type[TableFiles]] = {"csv": Csv, "jsonl": Jsonl, "parquet": Parquet}


@dataclass(frozen=True, eq=False)
class SampledColumn:
    """Cells of a column, also as numbers if they are."""

    name: str
    cells: "pd.Series[Any]"
    numbers: "pd.Series[float] | None"  # None if a cell is not a number
    unmarked: "pd.Series[Any]"  # the cells without marks such as NA, which the source can treat as missing
    parse: Callable[["pd.Series[Any]"], "pd.Series[float]"] = parse_numbers  # how the source reads numbers

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
        """Return the words of the name."""
        return {*words_of(self.name)}

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

    @property
    def marks(self) -> set[str]:
        """Return the marks of missing values, such as NA, that are values of the column."""
        return {str(cell).strip() for cell in self.cells[self.cells.notna() & self.unmarked.isna()].unique()}

    def sure_marks(self, known: Collection[str]) -> set[str]:
        """Return the marks that cannot be values; `known` are those among the file's numbers."""
        values = [*self.unmarked.dropna().str.strip().unique()]
        return {mark for mark in self.marks if not may_be_value(mark, values, known)}

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


def words_of(name: str) -> list[str]:
    """Return the words of a name in lower case, which other characters or capital letters separate.

    `customerID`, `customer_id`, `Customer ID` and `customerid` have the words customer and id.
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    return [part for word in words for part in (re.split(r"(?=id$)", word) if _ends_in_id(word) else [word])]


def _ends_in_id(word: str) -> bool:
    return len(word) > 3 and word.endswith("id") and not word.endswith(_NO_IDS)


@dataclass(frozen=True, eq=False)
class SampledTable:
    """Rows of one file, or of several with the same columns."""

    source: TableFiles
    layout: list[Guess]  # the part of the table `source` of pipelines.toml that reads all cells as text
    files: tuple[Path, ...]
    rows: Rows
    columns: Mapping[str, SampledColumn]
    formats: Sequence[Guess] = ()  # the part that reads numbers
    unreadable: Mapping[str, str] = field(default_factory=dict)  # further columns, and the error of reading them

    @property
    def guesses(self) -> list[Guess]:
        """Return the table `source` of pipelines.toml."""
        return [*self.layout, *self.formats]

    @property
    def summary(self) -> str:
        """Return its size: `100 rows of 2 columns`."""
        several = f" in {len(self.files)} files" if len(self.files) > 1 else ""
        return f"{count_of(len(self.rows.frame), 'rows')} of {count_of(len(self.columns), 'columns')}{several}"

    def error(self, problem: str, kind: type[DataError] = DataError) -> DataError:
        """Return an error that names the table."""
        return kind(f"{self.rows.name}: {problem}")

    def missing_column_error(self, problem: str, kind: type[DataError] = DataError) -> DataError:
        """Return an error about a missing column, with the reason why another column was skipped."""
        skipped = next((f" A column was skipped: {error}" for error in self.unreadable.values()), "")
        return self.error(problem + skipped, kind)

    def column(self, name: str) -> SampledColumn:
        """Return a column by name; raise `DataError` if there is none."""
        if name in self.unreadable:
            raise DataError(self.unreadable[name])
        check_columns(self.rows.name, [name], [*self.columns])
        return self.columns[name]

    def with_words_as_numbers(self, names: Iterable[str]) -> "SampledTable":
        """Return the table with those of the columns as numbers that hold yes and no, or booleans in other files."""
        words_in = words_of_numbers if isinstance(self.source, Csv) else _numbers_of_booleans
        values = {name: words_in(self.columns[name].unmarked) for name in names if name in self.columns}
        values = {name: words for name, words in values.items() if words}
        if not values:
            return self
        columns = dict(self.columns)
        for name, words in values.items():
            numbers = parse_numbers(columns[name].unmarked, values=words)
            columns[name] = replace(columns[name], numbers=numbers)
        if not isinstance(self.source, Csv):
            return replace(self, columns=columns)  # the source reads booleans as 1 and 0
        formats = [*self.formats, Guess("values", values, "so that these columns can be read as numbers")]
        return replace(self, source=_source([*self.layout, *formats]), columns=columns, formats=formats)

    def with_marks_as_empty(self, names: Collection[str] | None = None) -> "SampledTable":
        """Return the table with empty cells for marks such as NA in names and texts, where they cannot be values.

        This is done in all columns, or in those with the names. A column with empty cells may distinguish them from its
        marks, so both stay.
        """
        formats = [guess for guess in self.formats if guess.key != "missing"]
        in_numbers = [guess for guess in self.formats if guess.key == "missing"]
        marks = {mark for guess in in_numbers for mark in guess.value}
        read = self.columns if names is None else names
        marked = {name: column for name, column in self.columns.items() if name in read and column.marks}
        sure = {name: column.sure_marks(marks) for name, column in marked.items() if not column.empty}
        marks = marks.union(*sure.values())
        cleaned = [name for name, of_column in sure.items() if of_column and of_column >= marks & marked[name].marks]
        if not cleaned:
            return self
        columns = dict(self.columns)
        for name in cleaned:
            cells = columns[name].cells
            columns[name] = replace(columns[name], cells=cells.mask(cells.str.strip().isin(marks)))
        why = in_numbers[0].why if in_numbers else "treated as empty in the columns below"
        formats.append(Guess("missing", sorted(marks), why))
        formats.append(
            Guess("missing_in", cleaned, "further columns in which a mark and an empty cell are the same value")
        )
        return replace(self, source=_source([*self.layout, *formats]), columns=columns, formats=formats)


@lru_cache(maxsize=1)
def read_table(data: Data) -> SampledTable:
    """Read all columns of a table of any kind, once for each `Data`; raise `DataError` naming what cannot be read."""
    # All files must be of one kind; those with an unknown ending count as CSV.
    files = data.files(tuple(suffix for kind in _KINDS.values() for suffix in kind.suffixes))
    kinds = set[str]()
    for path in files:
        name = path.name.lower()
        is_json = name.endswith((".json", ".json.gz", *Jsonl.suffixes))
        kinds.add("jsonl" if is_json else "parquet" if name.endswith(Parquet.suffixes) else "csv")
    if len(kinds) > 1:
        raise DataError(
            f"{data.place}: files of several kinds, {' and '.join(sorted(kinds))}. Name one, or a pattern: '*.csv'."
        )
    kind = kinds.pop()
    check_table(files[0], kind)
    guesses = data.source_guesses(kind) + (dialect_guesses(files[0]) if kind == "csv" else [])
    source = _source(guesses)
    # In a CSV file, all cells are text. Other files have typed values, and the first one names the columns.
    if isinstance(source, Csv):
        rows = source.read(files, source.header(files[0]), [])
        columns, formats = _csv_columns(rows.frame, source)
        return SampledTable(_source([*guesses, *formats]), guesses, files, rows, columns, formats)
    if isinstance(source, Jsonl):
        # The keys of the first thousand objects
        text = read_text(files[0], source.encoding, unit="row")
        check_lines(files[0], text, may_be_row=False)
        keys: dict[str, None] = {}
        for line in text.split("\n")[:1000]:
            with contextlib.suppress(ValueError, RecursionError):  # the source reports the line later
                row = json.loads(line)
                keys |= dict.fromkeys(row) if isinstance(row, dict) else {}
        names = [*keys]
    else:
        import pyarrow.parquet as pq

        with complete_parquet(files[0]):
            names = list(pq.read_schema(files[0]).names)
    rows, columns, formats, unreadable = _typed_columns(source, files, names)
    return SampledTable(_source([*guesses, *formats]), guesses, files, rows, columns, formats, unreadable)


def _source(guesses: list[Guess]) -> TableFiles:
    values: dict[str, Any] = values_of(guesses)
    return _KINDS[values["kind"]].model_validate(values)


def _csv_columns(frame: pd.DataFrame, source: Csv) -> tuple[dict[str, SampledColumn], list[Guess]]:
    """Return the columns of a CSV file, and the settings needed to read their numbers; `source` reads them as text."""
    marks = {str(name): missing_marks(cells) for name, cells in frame.items()}
    unmarked = {name: frame[name].mask(frame[name].str.strip().isin(marks[name])) for name in marks}
    formats = format_guesses(unmarked, source.separator)
    source = source.model_copy(update=values_of(formats))
    columns = {}
    for name, cells in unmarked.items():
        parsed = source.parse(cells)
        is_numeric = cells.notna().any() and (cells.isna() | (parsed.abs() < MAX_NUMBER)).all()
        numbers = parsed if is_numeric else None
        columns[name] = SampledColumn(name, frame[name] if numbers is None else cells, numbers, cells, source.parse)
    in_numbers = {name: marks[name] for name, column in columns.items() if column.numbers is not None and marks[name]}
    return columns, [*formats, *_missing_guesses(in_numbers)]


def _missing_guesses(marks: Mapping[str, Collection[str]]) -> list[Guess]:
    """Return the setting for the marks of missing values in columns of numbers."""
    if not marks:
        return []
    first, *others = marks
    several = f" and {count_of(len(others), 'more columns')}" if others else ""
    why = f"treated as empty among the numbers of {first!r}{several}"
    return [Guess("missing", sorted({mark for of_column in marks.values() for mark in of_column}), why)]


def _typed_columns(
    source: Jsonl | Parquet, files: tuple[Path, ...], names: list[str]
) -> tuple[Rows, dict[str, SampledColumn], list[Guess], dict[str, str]]:
    """Return the columns of a source with typed values, the settings to read them, and the errors of the others."""
    read: dict[str, Rows] = {}
    columns, unreadable = {}, {}
    marks: dict[str, set[str]] = {}
    for name in names:
        try:
            read[name], columns[name] = _typed_column(source, files, name)
        except DataError as error:
            unreadable[name] = str(error)
            continue
        if columns[name].numbers is not None and (found := columns[name].marks):
            marks[name] = found
            columns[name] = replace(columns[name], cells=columns[name].unmarked)
    if not columns:
        unusable = source.read(files, names, [])  # raises an error that says why
        raise DataError(f"{unusable.name}: no usable column.")
    first = next(iter(read.values()))
    frame = pd.concat([rows.frame for rows in read.values()], axis=1)
    return Rows(frame, first.files, first.starts), columns, _missing_guesses(marks), unreadable


def _typed_column(source: Jsonl | Parquet, files: tuple[Path, ...], name: str) -> tuple[Rows, SampledColumn]:
    """Return a column as text, as numbers, or as both; raise `DataError` if the source reads neither."""
    as_numbers = _try_read(source, files, [], [name])
    fractions = isinstance(as_numbers, Rows) and bool((as_numbers.frame[name] % 1 > 0).any())
    as_texts = as_numbers if fractions else _try_read(source, files, [name], [])
    rows = as_numbers if isinstance(as_texts, DataError) else as_texts
    if isinstance(rows, DataError):
        raise rows
    cells = unmarked = rows.frame[name]
    if cells.dtype.kind == "O" and (marks := missing_marks(cells)):
        # The others may be numbers.
        unmarked = cells.mask(cells.str.strip().isin(marks))
        as_numbers = _try_read(source.model_copy(update={"missing": tuple(marks)}), files, [], [name])
    are_names = bool(_numbers_of_booleans(cells))  # as in a CSV file
    numbers = as_numbers.frame[name] if isinstance(as_numbers, Rows) and not are_names else None
    return rows, SampledColumn(name, cells, numbers, unmarked)


def _numbers_of_booleans(cells: "pd.Series[Any]") -> dict[str, int]:
    """Return the numbers that true and false mean; empty if there are other cells."""
    found = {*cells.dropna().unique()}
    return {"true": 1, "false": 0} if found and found <= {"true", "false"} else {}


def _try_read(
    source: Jsonl | Parquet, files: tuple[Path, ...], texts: list[str], numbers: list[str]
) -> Rows | DataError:
    try:
        return source.read(files, texts, numbers)
    except DataError as error:
        return error

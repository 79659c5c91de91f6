"""A table with all of its columns, as the project's own source reads them."""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill.errors import DataError, count_of
from gristmill.scaffold.column import SampledColumn, missing_marks
from gristmill.scaffold.csv_dialect import dialect_guesses
from gristmill.scaffold.data import Data
from gristmill.scaffold.number_format import format_guesses, words_of_numbers
from gristmill.scaffold.proposal import Guess, values_of
from gristmill.settings.base import MAX_NUMBER
from gristmill.sources.file_content import check_table
from gristmill.sources.number_cells import parse_numbers
from gristmill.sources.packed import read_text
from gristmill.sources.rows import Rows, check_columns
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.jsonl import Jsonl, check_lines
from gristmill.sources.tables.parquet import Parquet, complete_parquet

TableFiles = Csv | Jsonl | Parquet

_KINDS: dict[str, type[TableFiles]] = {"csv": Csv, "jsonl": Jsonl, "parquet": Parquet}


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
        """Return the table with those of the columns as numbers that hold yes and no, in a CSV file."""
        if not isinstance(self.source, Csv):
            return self
        values = {name: words_of_numbers(self.columns[name].unmarked) for name in names if name in self.columns}
        values = {name: words for name, words in values.items() if words}
        if not values:
            return self
        columns = dict(self.columns)
        for name, words in values.items():
            numbers = parse_numbers(columns[name].unmarked, values=words)
            columns[name] = replace(columns[name], numbers=numbers)
        formats = [*self.formats, Guess("values", values, "so that these columns can be read as numbers")]
        return replace(self, source=_source([*self.layout, *formats]), columns=columns, formats=formats)


@lru_cache(maxsize=1)
def read_table(data: Data) -> SampledTable:
    """Read all columns of a table of any kind, once for each `Data`; raise `DataError` naming what cannot be read."""
    # All files must be of one kind.
    files = data.files(tuple(suffix for kind in _KINDS.values() for suffix in kind.suffixes))
    kinds = sorted({_kind(path) for path in files})
    if len(kinds) > 1:
        raise DataError(
            f"{data.place}: files of several kinds, {' and '.join(kinds)}. Name one, or a pattern: '*.csv'."
        )
    check_table(files[0], kinds[0])
    guesses = data.source_guesses(kinds[0]) + (dialect_guesses(files[0]) if kinds == ["csv"] else [])
    source = _source(guesses)
    # In a CSV file, all cells are text. Other files have typed values, and the first one names the columns.
    if isinstance(source, Csv):
        rows = source.read(files, source.header(files[0]), [])
        columns, formats = _csv_columns(rows.frame, source)
        return SampledTable(_source([*guesses, *formats]), guesses, files, rows, columns, formats)
    if isinstance(source, Jsonl):
        names = _json_keys(files[0], source.encoding)
    else:
        import pyarrow.parquet as pq

        with complete_parquet(files[0]):
            names = list(pq.read_schema(files[0]).names)
    rows, columns, unreadable = _typed_columns(source, files, names)
    return SampledTable(source, guesses, files, rows, columns, unreadable=unreadable)


def _kind(path: Path) -> str:
    """Return the kind of a file by its name; a file with an unknown ending counts as CSV."""
    name = path.name.lower()
    if name.endswith((".json", ".json.gz", *Jsonl.suffixes)):
        return "jsonl"
    return "parquet" if name.endswith(Parquet.suffixes) else "csv"


def _source(guesses: list[Guess]) -> TableFiles:
    values: dict[str, Any] = values_of(guesses)
    return _KINDS[values["kind"]].model_validate(values)


def _json_keys(path: Path, encoding: str) -> list[str]:
    """Return the keys of a file's first thousand objects."""
    text = read_text(path, encoding, unit="row")
    check_lines(path, text, may_be_row=False)
    keys: dict[str, None] = {}
    for line in text.split("\n")[:1000]:
        with contextlib.suppress(ValueError, RecursionError):  # the source reports the line later
            row = json.loads(line)
            keys |= dict.fromkeys(row) if isinstance(row, dict) else {}
    return [*keys]


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
    marked = [name for name, column in columns.items() if column.numbers is not None and marks[name]]
    if marked:
        several = f" and {count_of(len(marked) - 1, 'more columns')}" if len(marked) > 1 else ""
        why = f"treated as empty among the numbers of {marked[0]!r}{several}"
        formats.append(Guess("missing", sorted({mark for name in marked for mark in marks[name]}), why))
    return columns, formats


def _typed_columns(
    source: Jsonl | Parquet, files: tuple[Path, ...], names: list[str]
) -> tuple[Rows, dict[str, SampledColumn], dict[str, str]]:
    """Return the columns of a source with typed values: as text, as numbers, or as both; and the error of others."""
    read: dict[str, Rows] = {}
    columns, unreadable = {}, {}
    for name in names:
        as_numbers = _try_read(source, files, [], [name])
        fractions = isinstance(as_numbers, Rows) and bool((as_numbers.frame[name] % 1 > 0).any())
        as_texts = as_numbers if fractions else _try_read(source, files, [name], [])
        rows = as_numbers if isinstance(as_texts, DataError) else as_texts
        if isinstance(rows, DataError):
            unreadable[name] = str(rows)
            continue
        read[name], cells = rows, rows.frame[name]
        booleans = {*cells.dropna().unique()} in ({"true"}, {"false"}, {"true", "false"})  # names, as in a CSV file
        numbers = as_numbers.frame[name] if isinstance(as_numbers, Rows) and not booleans else None
        columns[name] = SampledColumn(name, cells, numbers, cells)
    if not columns:
        unusable = source.read(files, names, [])  # raises an error that says why
        raise DataError(f"{unusable.name}: no usable column.")
    first = next(iter(read.values()))
    frame = pd.concat([rows.frame for rows in read.values()], axis=1)
    return Rows(frame, first.files, first.starts), columns, unreadable


def _try_read(
    source: Jsonl | Parquet, files: tuple[Path, ...], texts: list[str], numbers: list[str]
) -> Rows | DataError:
    try:
        return source.read(files, texts, numbers)
    except DataError as error:
        return error

"""A table as it is looked at: its columns, as the project's own source reads them."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill.errors import DataError
from gristmill.scaffold.column import Column, marks_in, numbers_in, unmarked
from gristmill.scaffold.csv_dialect import dialect, has_decimal_commas
from gristmill.scaffold.data import Data
from gristmill.scaffold.proposal import Guess, values_of
from gristmill.sources.packed import read_text
from gristmill.sources.rows import Rows
from gristmill.sources.tables.csv import Csv
from gristmill.sources.tables.jsonl import Jsonl
from gristmill.sources.tables.parquet import Parquet, complete_parquet

_KINDS: dict[str, type[Csv | Jsonl | Parquet]] = {"csv": Csv, "jsonl": Jsonl, "parquet": Parquet}
_LINES = 1000  # of JSON that are looked at for keys


@dataclass(frozen=True)
class SampledTable:
    """The rows of a file, or of several alike."""

    source: Csv | Jsonl | Parquet
    guesses: list[Guess]  # the table `source` of pipelines.toml
    files: tuple[Path, ...]
    rows: Rows
    columns: Mapping[str, Column]

    @property
    def seen(self) -> str:
        """What it is at a glance."""
        several = f" in {len(self.files)} files" if len(self.files) > 1 else ""
        return f"{len(self.rows.frame):,} rows of {len(self.columns)} columns{several}"

    def column(self, name: str) -> Column:
        """Return a column by name.

        Raises:
            DataError: it is not there.
        """
        if name not in self.columns:
            raise DataError(f"{self.rows.name}: no column {name!r}. Columns: {', '.join(map(repr, self.columns))}.")
        return self.columns[name]


def read_table(data: Data) -> SampledTable:
    """Read a table of any kind that a source knows, every column as it stands.

    Raises:
        DataError: naming what cannot be read.
    """
    files = data.files(tuple(suffix for kind in _KINDS.values() for suffix in kind.suffixes))
    kinds = sorted({_kind(path) for path in files})
    if len(kinds) > 1:
        raise DataError(
            f"{data.place}: files of several kinds, {' and '.join(kinds)}. Name one, or a pattern: '*.csv'."
        )
    guesses = [
        Guess("kind", kinds[0]),
        Guess("path", data.written, data.warning),
        *(dialect(files[0]) if kinds == ["csv"] else []),
    ]
    source = _source(guesses)
    names = _names(source, files[0])
    if isinstance(source, Csv):
        rows = source.read(files, names, [])
        columns, written = _untyped(rows.frame, source.separator)
        guesses += written
    else:
        rows, columns = _typed(source, files, names)
    return SampledTable(_source(guesses), guesses, files, rows, columns)


def _kind(path: Path) -> str:
    """Return the kind that a file's name tells; what has none of their names is taken for CSV."""
    name = path.name.lower()
    if name.endswith((".json", ".json.gz", *Jsonl.suffixes)):
        return "jsonl"
    return "parquet" if name.endswith(Parquet.suffixes) else "csv"


def _source(guesses: list[Guess]) -> Csv | Jsonl | Parquet:
    values: dict[str, Any] = values_of(guesses)
    return _KINDS[values["kind"]].model_validate(values)


def _names(source: Csv | Jsonl | Parquet, path: Path) -> list[str]:
    """Return the names of a file's columns, as its source calls them."""
    if isinstance(source, Csv):
        return source.header(path)
    if isinstance(source, Jsonl):
        return _keys(path, read_text(path, source.encoding, unit="row"))
    import pyarrow.parquet as pq

    with complete_parquet(path):
        return list(pq.read_schema(path).names)


def _keys(path: Path, text: str) -> list[str]:
    """Return the keys of a file's first objects that hold no object or array."""
    if text.lstrip().startswith("["):
        raise DataError(f"{path}: one JSON array. Write each of its objects on a line of its own, and no brackets.")
    keys: dict[str, bool] = {}
    for line in text.split("\n")[:_LINES]:
        with contextlib.suppress(ValueError, RecursionError):  # the source tells which line it is
            found = json.loads(line)
            for key, value in found.items() if isinstance(found, dict) else ():
                keys[key] = keys.get(key, True) and not isinstance(value, dict | list)
    return [key for key, plain in keys.items() if plain]


def _untyped(frame: pd.DataFrame, separator: str) -> tuple[dict[str, Column], list[Guess]]:
    """Return the columns of a CSV file, and what must be set for its numbers to be read."""
    plain = {str(name): unmarked(cells) for name, cells in frame.items()}
    decimal = "," if separator != "," and has_decimal_commas(plain.values()) else "."
    guesses = [Guess("decimal", ",", "numbers stand there as 1,5")] if decimal == "," else []
    columns, marked = {}, {}
    for name, cells in plain.items():
        numbers = numbers_in(cells, decimal)
        columns[name] = Column(name, frame[name] if numbers is None else cells, numbers, cells, decimal)
        if numbers is not None and (marks := marks_in(frame[name])):
            marked[name] = marks
    if marked:
        first, *more = marked
        several = f" and {len(more)} more columns" if more else ""
        marks = sorted({mark for found in marked.values() for mark in found})
        guesses.append(Guess("missing", marks, f"taken for no value, beside the numbers of {first!r}{several}"))
    return columns, guesses


def _typed(source: Jsonl | Parquet, files: tuple[Path, ...], names: list[str]) -> tuple[Rows, dict[str, Column]]:
    """Return the columns that a source of typed values takes as text, as numbers, or as both."""
    read: dict[str, Rows] = {}
    columns = {}
    for name in names:
        as_numbers, as_texts = _read(source, files, [], [name]), _read(source, files, [name], [])
        if found := as_texts or as_numbers:
            read[name] = found
            numbers = as_numbers.frame[name] if as_numbers and not _are_booleans(found.frame[name]) else None
            columns[name] = Column(name, found.frame[name], numbers, found.frame[name])
    if not columns:
        rows = source.read(files, names, [])  # which tells why
        raise DataError(f"{rows.name}: no column that can be used.")
    first = next(iter(read.values()))
    frame = pd.concat([rows.frame for rows in read.values()], axis=1)
    return Rows(frame, first.files, first.starts), columns


def _are_booleans(cells: "pd.Series[Any]") -> bool:
    """Whether the cells are true and false, which are names as in a CSV file, although a source can count them."""
    return {*cells.dropna().unique()} in ({"true"}, {"false"}, {"true", "false"})


def _read(source: Jsonl | Parquet, files: tuple[Path, ...], texts: list[str], numbers: list[str]) -> Rows | None:
    try:
        return source.read(files, texts, numbers)
    except DataError:
        return None

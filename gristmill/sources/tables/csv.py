"""CSV files."""

import codecs
import csv
import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gristmill.errors import DataError, count_such, short_repr
from gristmill.settings.base import Files
from gristmill.sources.packed import content_of, unpacked
from gristmill.sources.rows import LARGEST, Rows, joined, refuse_missing

if TYPE_CHECKING:
    import pandas as pd

_LONGEST = 1 << 23  # characters of a cell; Python's own limit is far lower than what a text may have

_SEPARATORS = ",;\t|"  # that a header may hold which was read as one column
_TABS = (".tsv", ".tsv.gz")


class Csv(Files):
    """One or several CSV files with a header line."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".csv.gz", *_TABS)

    kind: Literal["csv"]
    separator: str = Field(default=",", pattern=r'^[^"\r\n]$')  # one character; a tab if not set and path ends in .tsv
    decimal: Literal[".", ","] = "."  # mark of numbers
    encoding: str = "utf-8"  # of the files, by a name that Python knows: "cp1252"
    missing: Annotated[tuple[str, ...], Field(strict=False)] = ()  # cells that are no number but stand for none: "NA"

    @model_validator(mode="before")
    @classmethod
    def _separate_as_named(cls, given: Any) -> Any:
        tabs = isinstance(given, dict) and named_tabs(str(given.get("path")))
        return {"separator": "\t"} | given if tabs else given

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the named columns; a row counts as a spreadsheet counts it, the header being row 1.

        Args:
            paths: the located files; those named `.gz` are unpacked.
            texts: columns taken as they stand, empty cells missing.
            numbers: columns converted to float64, empty cells and those of `missing` NaN.

        Raises:
            DataError: naming file, row and column of what cannot be read.
        """
        rows = joined([(path, self._columns(path, list(dict.fromkeys([*texts, *numbers])), numbers)) for path in paths])
        if rows.frame.empty:
            raise DataError(f"{rows.name}: no rows below the header. Expected at least one.")
        return rows

    def header(self, path: Path) -> list[str]:
        """Return the names of a file's columns."""
        return self._outline(path)[0]

    def _columns(self, path: Path, wanted: list[str], numbers: Sequence[str]) -> "pd.DataFrame":
        """Return the wanted columns of one file, without the rows of which every cell is empty."""
        header, ragged = self._outline(path)
        _refuse_missing(path, wanted, header)
        _refuse_ragged_rows(path, header, ragged)
        frame = self._cells(path, len(header)).replace("", None).dropna(how="all")
        frame = frame[[header.index(name) for name in wanted]].set_axis(wanted, axis=1)
        for name in wanted:
            if name in numbers:
                frame[name] = self._numbers(frame[name], path)
            else:
                _refuse_nul(frame[name], path)
        return frame

    @contextmanager
    def _lines(self, path: Path) -> Iterator[Iterator[list[str]]]:
        """Give the rows of a file and an empty one behind them, which a quote that is never closed swallows."""
        csv.field_size_limit(_LONGEST)
        try:
            with unpacked(path) as raw, io.TextIOWrapper(raw, self._codec(path), newline="") as file:
                yield csv.reader(chain(file, [""]), delimiter=self.separator)
        except UnicodeError:
            row = self._first_undecodable(path)
            raise DataError(f"{path} row {row}: not {self.encoding}. Set the source's encoding.") from None

    def _outline(self, path: Path) -> tuple[list[str], list[tuple[int, int]]]:
        """Return the header, and the rows with more or fewer fields, each with how many it has."""
        row, ragged = 0, []
        with self._lines(path) as lines:
            try:
                cells = header = next(lines)
                row = 1
                for row, cells in enumerate(lines, 2):
                    if len(cells) not in (0, len(header)):
                        ragged.append((row, len(cells)))
            except csv.Error:
                raise DataError(f"{path} row {row + 1}: a cell of more than {_LONGEST:,} characters. Cut it.") from None
        if cells:
            raise DataError(f"{path} row {row}: a quote that is never closed. Close it, or remove it.")
        if not header:
            raise DataError(f"{path}: the file is empty, or its first row is. Expected a header line and rows.")
        return [name or f"Unnamed: {place}" for place, name in enumerate(header)], ragged  # as pandas names them

    def _cells(self, path: Path, width: int) -> "pd.DataFrame":
        """Return every cell as text, the columns numbered."""
        import pandas as pd

        try:
            with unpacked(path) as raw, warnings.catch_warnings(action="ignore", category=pd.errors.ParserWarning):
                frame = pd.read_csv(
                    raw,
                    sep=self.separator,
                    encoding=self._codec(path),
                    header=0,
                    names=range(width),
                    dtype=str,
                    keep_default_na=False,
                    skip_blank_lines=False,
                    index_col=False,
                )
        except (pd.errors.ParserError, csv.Error) as error:
            raise DataError(f"{path}: {str(error).strip()}. Mend that row, or set the source's separator.") from None
        frame.index = pd.RangeIndex(2, len(frame) + 2, name="row")
        return frame

    def _codec(self, path: Path) -> str:
        """Return Python's own name of the encoding; of UTF-8 the one that leaves out a byte order mark."""
        try:
            name = codecs.lookup(self.encoding).name
            "".encode(name)
        except (LookupError, ValueError):  # no encoding, or one of something else than text
            raise DataError(
                f"{path}: unknown encoding {self.encoding!r}. Set the source's encoding to one that Python knows."
            ) from None
        return "utf-8-sig" if name == "utf-8" else name

    def _first_undecodable(self, path: Path) -> int:
        """Return the first row, of lines or more where cells are quoted, that is not in the encoding."""
        content = content_of(path)
        try:
            content.decode(self.encoding)
        except UnicodeDecodeError as error:
            before = content[: error.start].decode(self.encoding, "ignore") + "x"  # the cell that cannot be decoded
        except UnicodeError:
            return 1
        row = 0
        try:
            for _ in csv.reader(io.StringIO(before, newline=""), delimiter=self.separator):
                row += 1
        except csv.Error:  # that cell is too long as well
            return row + 1
        return row

    def _numbers(self, cells: "pd.Series[str]", path: Path) -> "pd.Series[float]":
        import pandas as pd

        cells = cells.mask(cells.str.strip().isin(self.missing))
        plain = cells.str.replace(self.decimal, ".", regex=False) if self.decimal != "." else cells
        values = pd.to_numeric(plain, errors="coerce").astype("float64")
        bad = cells.notna() & ~(values.abs() < LARGEST)
        if self.decimal == ",":
            bad |= cells.str.contains(".", regex=False, na=False)  # 1.234 would be read a thousand times too small
        if bad.any():
            first = int(bad.argmax())
            received = str(cells.iloc[first])
            comma = "," in received and self.decimal == "."
            remedy = (
                "If commas are decimal points, set the source's decimal = ','."
                if comma
                else "Mend it or leave it empty; where it stands for no value, name it in the source's missing."
            )
            raise DataError(
                f"{path} row {cells.index[first]}, column {cells.name!r}: not a finite number: {short_repr(received)} "
                f"({count_such(bad.sum(), 'cell')}). {remedy}"
            )
        return values


def named_tabs(place: str) -> bool:
    """Return whether a name says that tabs separate the cells."""
    return place.lower().endswith(_TABS)


def _refuse_missing(path: Path, wanted: Sequence[str], there: Sequence[str]) -> None:
    """Refuse a column that is not there; where the header was read as another one, say why."""
    try:
        refuse_missing(path, wanted, there)
    except DataError as missing:
        if any("\0" in name for name in there):
            raise DataError(f"{missing} If this is UTF-16, set the source's encoding.") from None
        if len(there) == 1 and any(mark in there[0] for mark in _SEPARATORS):
            raise DataError(f"{missing} If this is a row of several, set the source's separator.") from None
        raise


def _refuse_ragged_rows(path: Path, header: Sequence[str], ragged: Sequence[tuple[int, int]]) -> None:
    """Refuse rows with more or fewer fields than the header, which pandas cuts or fills up."""
    if ragged:
        row, found = ragged[0]
        raise DataError(
            f"{path} row {row}: {found} fields, but the header has {len(header)} "
            f"({count_such(len(ragged), 'row')}). Mend the row, or set the source's separator."
        )


def _refuse_nul(cells: "pd.Series[str]", path: Path) -> None:
    bad = cells.str.contains("\0", regex=False, na=False)
    if bad.any():
        raise DataError(
            f"{path} row {cells.index[int(bad.argmax())]}, column {cells.name!r}: a NUL byte "
            f"({count_such(bad.sum(), 'cell')}). Mend it, or set the source's encoding."
        )

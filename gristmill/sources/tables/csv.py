"""CSV files."""

import codecs
import csv
import io
import logging
import os
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gristmill.errors import DataError, count_such, short_repr
from gristmill.settings.base import Files
from gristmill.sources.packed import open_unpacked, read_bytes, unknown_encoding
from gristmill.sources.rows import MAX_NUMBER, Rows, Skip, UnusableRows, check_columns, read_all, requested_columns

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

MAX_CELL_LENGTH = 1 << 23  # characters; Python's own limit is much lower than the length of texts

_SEPARATORS = ",;\t|"  # in the header, they suggest that the separator is wrong
_TABS = (".tsv", ".tsv.gz")
_PLAIN_NUMBERS: dict[str, Any] = {r"-?(0|[1-9]\d{0,14})": "Int64", r"-?(0|[1-9]\d{0,14})(\.\d+)?": "float64"}


class Csv(Files):
    """One or several CSV files with a header line."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".csv.gz", *_TABS)

    kind: Literal["csv"]
    separator: str = Field(default=",", pattern=r'^[^"\r\n]$')  # one character; default for .tsv files: a tab
    decimal: Literal[".", ","] = "."  # decimal mark of numbers
    encoding: str = "utf-8"  # encoding of the files by its Python name, such as "cp1252"
    missing: Annotated[tuple[str, ...], Field(strict=False)] = ()  # texts that mark a missing number, such as "NA"

    @model_validator(mode="before")
    @classmethod
    def _set_separator(cls, given: Any) -> Any:
        tabs = isinstance(given, dict) and is_tab_separated(str(given.get("path")))
        return {"separator": "\t"} | given if tabs else given

    def read(
        self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str], skip: Skip = MappingProxyType({})
    ) -> Rows:
        """Return the requested columns without empty rows; the header is row 1, as in a spreadsheet."""
        wanted = requested_columns(texts, numbers)
        return read_all(paths, lambda path: self._read_file(path, wanted, numbers, skip.get(path, ())))

    def whole(self, path: Path) -> "pd.DataFrame":
        """Return all columns of a file, with the rows of `read`; what is not plainly a number, such as 007, is text."""
        names, *_ = self._scan(path)
        cells = self._cells(path, len(names), ()).replace("", None).dropna(how="all")
        return cells.apply(_plain_numbers).set_axis(names, axis=1)

    def contents(self, path: Path, rows: Collection[int]) -> dict[int, str]:
        """Return rows of a file as text, by their numbers."""
        with self._lines(path) as lines:
            return {row: self.separator.join(cells) for row, cells in enumerate(lines, 1) if row in rows}

    def header(self, path: Path) -> list[str]:
        """Return the names of a file's columns."""
        return self._scan(path)[0]

    def _read_file(
        self, path: Path, wanted: list[str], numbers: Sequence[str], skip: Collection[int]
    ) -> "pd.DataFrame":
        header, ragged, count = self._scan(path, skip)
        _check_columns(path, wanted, header)
        if ragged:  # pandas would cut them or fill them up
            reasons = {row: f"{width} fields, but the header has {len(header)}" for row, width in ragged.items()}
            row, reason = next(iter(reasons.items()))
            raise UnusableRows(
                f"{path} row {row}: {reason} ({count_such(len(ragged), 'row')}). "
                "Fix the row, or set the source's separator.",
                {path: reasons},
                count,
            )
        frame = self._cells(path, len(header), skip).replace("", None).dropna(how="all")
        frame = frame[[header.index(name) for name in wanted]].set_axis(wanted, axis=1)
        for name in wanted:
            if name in numbers:
                frame[name] = self._numbers(frame[name], path)
            else:
                _check_no_nul(frame[name], path)
        return frame

    @contextmanager
    def _lines(self, path: Path) -> Iterator[Iterator[list[str]]]:
        """Yield the rows of a file and an empty one at the end, which is missing if a quote is never closed."""
        csv.field_size_limit(MAX_CELL_LENGTH)
        try:
            with open_unpacked(path) as raw, io.TextIOWrapper(raw, self._codec(path), newline="") as file:
                yield csv.reader(chain(file, [""]), delimiter=self.separator)
        except UnicodeError:
            row = self._first_undecodable(path)
            raise DataError(f"{path} row {row}: not {self.encoding}. Set the source's encoding.") from None

    def _scan(self, path: Path, skip: Collection[int] = ()) -> tuple[list[str], dict[int, int], int]:
        """Return the header, the widths of rows that have more or fewer fields, and the number of other rows and these.

        Rows to `skip` are not counted.
        """
        row, ragged = 0, {}
        with self._lines(path) as lines:
            try:
                cells = header = next(lines)
                row = 1
                for row, cells in enumerate(lines, 2):
                    if len(cells) not in (0, len(header)) and row not in skip:
                        ragged[row] = len(cells)
            except csv.Error:
                raise DataError(
                    f"{path} row {row + 1}: a cell of more than {MAX_CELL_LENGTH:,} characters. Shorten it."
                ) from None
        if cells:
            raise DataError(f"{path} row {row}: a quote that is never closed. Close it, or remove it.")
        if not header:
            raise DataError(f"{path}: the file is empty, or its first row is. Expected a header line and rows.")
        names = [name or f"Unnamed: {place}" for place, name in enumerate(header)]  # as pandas names them
        return names, ragged, row - 2 - len(skip)

    def _cells(self, path: Path, width: int, skip: Collection[int]) -> "pd.DataFrame":
        """Return every cell as text, the columns numbered, without the rows to skip."""
        import pandas as pd

        try:
            with open_unpacked(path) as raw, warnings.catch_warnings(action="ignore", category=pd.errors.ParserWarning):
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
                    skiprows=[row - 1 for row in skip],
                )
        except (pd.errors.ParserError, csv.Error) as error:
            raise DataError(f"{path}: {str(error).strip()}. Fix that row, or set the source's separator.") from None
        rows = pd.RangeIndex(2, len(frame) + len(skip) + 2, name="row")
        frame.index = rows.drop([*skip]) if skip else rows
        return frame

    def _codec(self, path: Path) -> str:
        """Return Python's name of the encoding; for UTF-8 the variant without a byte order mark."""
        try:
            name = codecs.lookup(self.encoding).name
            "".encode(name)
        except (LookupError, ValueError):  # not an encoding, or not one of text
            raise unknown_encoding(path, self.encoding) from None
        return "utf-8-sig" if name == "utf-8" else name

    def _first_undecodable(self, path: Path) -> int:
        """Return the number of the first row that cannot be decoded."""
        content = read_bytes(path)
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
        except csv.Error:  # the cell is too long as well
            return row + 1
        return row

    def _numbers(self, cells: "pd.Series[str]", path: Path) -> "pd.Series[float]":
        import pandas as pd

        cells = cells.mask(cells.str.strip().isin(self.missing))
        plain = cells.str.replace(self.decimal, ".", regex=False) if self.decimal != "." else cells
        values = pd.to_numeric(plain, errors="coerce").astype("float64")
        bad = cells.notna() & ~(values.abs() < MAX_NUMBER)
        if self.decimal == ",":
            bad |= cells.str.contains(".", regex=False, na=False)  # 1.234 would be read a thousand times too small
        if bad.any():
            first = int(bad.argmax())
            received = str(cells.iloc[first])
            remedy = (
                "If commas are decimal marks, set the source's decimal = ','."
                if "," in received and self.decimal == "."
                else "Fix it or leave it empty; if it means that there is no value, add it to the source's missing."
            )
            raise _unusable(path, cells, bad, f"not a finite number: {short_repr(received)}", remedy)
        return values


def warn_of_cut_files(paths: Sequence[Path]) -> None:
    """Log a warning if the last row of CSV files has no line end."""
    if cut := [path for path in paths if not _ends_with_a_line_end(path)]:
        logger.warning(
            "%s: the last row has no line end (%s). If the file was cut, the last value may be wrong.",
            *(cut[0], count_such(len(cut), "file")),
        )


def _ends_with_a_line_end(path: Path) -> bool:
    """Return whether the last row of a file is complete; a packed file that was cut cannot be unpacked."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 4))
        return path.name.lower().endswith(".gz") or file.read().rstrip(b"\0").endswith((b"\n", b"\r"))


def is_tab_separated(place: str) -> bool:
    """Return whether a file name says that tabs separate the cells."""
    return place.lower().endswith(_TABS)


def _check_columns(path: Path, wanted: Sequence[str], found: Sequence[str]) -> None:
    """Raise `DataError` if a column is missing, with a hint where the header seems to be read wrongly."""
    try:
        check_columns(path, wanted, found)
    except DataError as missing:
        if any("\0" in name for name in found):
            raise DataError(f"{missing} If this is UTF-16, set the source's encoding.") from None
        if len(found) == 1 and any(mark in found[0] for mark in _SEPARATORS):
            raise DataError(f"{missing} If these are several columns, set the source's separator.") from None
        raise


def _plain_numbers(cells: "pd.Series[str]") -> "pd.Series[Any]":
    """Return cells as numbers if all of them are integers, or all decimal numbers, that are written as usual."""
    import pandas as pd

    for pattern, dtype in _PLAIN_NUMBERS.items():
        if cells.notna().any() and cells.dropna().str.fullmatch(pattern).all():
            numbers: pd.Series[Any] = pd.to_numeric(cells).astype(dtype)
            return numbers
    return cells


def _check_no_nul(cells: "pd.Series[str]", path: Path) -> None:
    bad = cells.str.contains("\0", regex=False, na=False)
    if bad.any():
        raise _unusable(path, cells, bad, "a NUL byte", "Fix it, or set the source's encoding.")


def _unusable(path: Path, cells: "pd.Series[str]", bad: "pd.Series[bool]", fault: str, remedy: str) -> UnusableRows:
    """Return the error for cells that cannot be used; `fault` is that of the first."""
    rows, reason = cells.index[bad].tolist(), f"column {cells.name!r}: {fault.partition(':')[0]}"
    message = f"{path} row {rows[0]}, column {cells.name!r}: {fault} ({count_such(len(rows), 'cell')}). {remedy}"
    return UnusableRows(message, {path: dict.fromkeys(rows, reason)}, len(cells))

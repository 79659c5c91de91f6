"""CSV files: as tables, and their rows as Python's parser splits them."""

import codecs
import csv
import io
import logging
import re
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gristmill.errors import DataError, count_of
from gristmill.settings.base import NonNegativeInt, Number, PositiveInt
from gristmill.sources.file_content import check_table, lacks_line_end, open_unpacked, read_bytes, unknown_encoding
from gristmill.sources.number_cells import MULTIPLIER, grouped_digits, parse_numbers, plain_numbers
from gristmill.sources.rows import FILE_ROW, UnusableRows, check_columns, requested_columns, unusable_in_file
from gristmill.sources.tables.table_files import TableFiles, Texts, check_finite
from gristmill.util.toml import toml_value

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

MAX_CELL_LENGTH = 1 << 23  # characters; Python's own limit is much lower than the length of texts
MAX_FOOTER = 5
"""Most rows that are left out at the end of a file; more are data."""

_TABS = (".tsv", ".tsv.gz")

Unit = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True)
class _Layout:
    """Rows of a file by their numbers."""

    header: list[str]  # names of the columns
    left_out: list[int]  # rows without data: above the header, in it, and the footer
    first: int  # the first row below the header
    ragged: dict[int, int]  # rows of data with more or fewer cells than the header, and their number of cells
    count: int  # rows of data, with empty ones
    footer: list[int]  # rows left out at the end


class Csv(TableFiles):
    """One or several CSV files with a header line."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".csv.gz", *_TABS)

    kind: Literal["csv"]
    separator: str = Field(default=",", pattern=r'^[^"\r\n]$')  # one character; default for .tsv files: a tab
    encoding: str = "utf-8"  # encoding of the files by its Python name, such as "cp1252"
    skip_rows: NonNegativeInt = 0  # rows to leave out above the header
    header_rows: PositiveInt = 1  # rows of the header; the names of a column are joined by a space
    footer: Texts = ()  # first cells of rows to leave out at the end of a file, at most 5, such as "Total"
    comment: Annotated[str | None, Field(min_length=1)] = None  # beginning of lines to leave out, such as "#"
    strip: bool = False  # remove spaces around names of columns and around cells
    decimal: Literal[".", ","] = "."  # decimal mark of numbers
    thousands: Literal[".", ",", " ", "'"] | None = None  # mark between thousands: 1.220,74 has decimal "," and "."
    units: dict[str, Unit] = Field(default_factory=dict)  # by column, to remove from each number: { price = "€" }
    values: dict[str, dict[str, Number]] = Field(default_factory=dict)  # by column: { member = { yes = 1, no = 0 } }

    @model_validator(mode="before")
    @classmethod
    def _set_separator(cls, raw: Any) -> Any:
        tabs = isinstance(raw, dict) and is_tab_separated(str(raw.get("path")))
        return {"separator": "\t"} | raw if tabs else raw

    @model_validator(mode="after")
    def _check_marks(self) -> "Csv":
        if self.thousands == self.decimal:
            raise ValueError("two different marks as decimal and thousands")
        return self

    def whole(self, paths: Sequence[Path]) -> "pd.DataFrame":
        """Return all columns of files after `prepare`; what is not plainly a number, such as 007, is text."""
        return super().whole(paths).apply(plain_numbers)

    def cells(self, path: Path, skip: Collection[int] = ()) -> "pd.DataFrame":
        """Return all columns of a file as text, under the numbers of the rows, without rows to `skip`."""
        layout = self._scan(path, skip)
        return self._read_cells(path, layout, skip).set_axis(layout.header, axis=1)

    def contents(self, path: Path, rows: Collection[int]) -> dict[int, str]:
        with open_rows(path, self.encoding, self.separator, self.comment) as lines:
            return {row: self.separator.join(cells) for row, cells in enumerate(lines, 1) if row in rows}

    def header(self, path: Path) -> list[str]:
        """Return the names of a file's columns."""
        return self._scan(path).header

    def footer_rows(self, path: Path) -> list[int]:
        """Return the numbers of the rows that are left out at the end of a file."""
        return self._scan(path).footer

    def parse(self, cells: "pd.Series[Any]") -> "pd.Series[float]":
        """Return the cells of a column as numbers, NaN where one is empty or not a number."""
        name = str(cells.name)
        return parse_numbers(cells, self.decimal, self.thousands, self.units.get(name), self.values.get(name, {}))

    def read_file(
        self, path: Path, texts: Sequence[str], numbers: Sequence[str], skip: Collection[int]
    ) -> "pd.DataFrame":
        """Return the requested columns without empty rows; the first row of the file is row 1, as in a spreadsheet."""
        layout = self._scan(path, skip)
        wanted = requested_columns(texts, numbers)
        try:
            check_columns(path, wanted, layout.header)
        except DataError as missing:
            if any("\0" in name for name in layout.header):
                raise DataError(f"{missing} If this is UTF-16, set the source's encoding.") from None
            if len(layout.header) == 1 and any(mark in layout.header[0] for mark in ",;\t|"):
                raise DataError(f"{missing} If these are several columns, set the source's separator.") from None
            raise
        frame = self._read_cells(path, layout, skip)
        frame = frame[[layout.header.index(name) for name in wanted]].set_axis(wanted, axis=1)
        for name in wanted:
            if name in numbers:
                frame[name] = self.numbers(frame[name], path)
                continue
            bad = frame[name].str.contains("\0", regex=False, na=False).to_numpy(bool)
            if bad.any():
                reason, remedy = f"column {name!r}: a NUL byte", "Fix it, or set the source's encoding."
                raise unusable_in_file(path, frame.index, bad, reason, "", remedy)
        return frame

    def _scan(self, path: Path, skip: Collection[int] = ()) -> _Layout:
        """Return where header and data are. Rows to `skip` are not counted, and may have any number of cells."""
        check_table(path, self.kind)
        # Go through the rows: above the header, in it, and below it. Some rows at the end may be a footer.
        row, cells = 0, list[str]()
        above: list[list[str]] = []
        left_out: list[int] = []
        ragged: dict[int, int] = {}
        footer: list[int] = []
        with open_rows(path, self.encoding, self.separator, self.comment) as lines:
            try:
                for row, cells in enumerate(lines, 1):
                    in_header = len(above) < self.header_rows
                    if row <= self.skip_rows or (in_header and not cells):
                        left_out.append(row)
                    elif in_header:
                        above.append(cells)
                        first, width = row + 1, len(cells)
                    elif cells and row not in skip:
                        footer = [*footer, row] if cells[0].strip() in self.footer else []
                        if len(cells) != width:
                            ragged[row] = len(cells)
            except csv.Error:
                raise DataError(
                    f"{path} row {row + 1}: a cell of more than {MAX_CELL_LENGTH:,} characters. Shorten it."
                ) from None
        # Check the last row, the header and the footer.
        if cells:
            raise DataError(f"{path} row {row}: a quote that is never closed. Close it, or remove it.")
        if len(above) < self.header_rows:
            raise DataError(f"{path}: the file is empty. Expected a header line and rows.")
        if len(footer) > MAX_FOOTER:
            raise DataError(
                f"{path} row {footer[0]}: {len(footer)} rows at the end begin like the source's footer. Expected at "
                f"most {MAX_FOOTER}. If they are data, remove their first cell from footer."
            )
        ragged = {at: count for at, count in ragged.items() if at not in footer}
        left_out += footer
        return _Layout(
            self._join_header(path, above), left_out, first, ragged, row - first - len(skip) - len(footer), footer
        )

    def _join_header(self, path: Path, rows: Sequence[Sequence[str]]) -> list[str]:
        """Return the names of the columns, for a column without one that of pandas."""
        if widths := [len(cells) for cells in rows if len(cells) != len(rows[-1])]:
            raise DataError(f"{path}: rows of {widths[0]} and {len(rows[-1])} cells in the header. Fill them up.")
        names = [" ".join(filter(None, cells)) for cells in zip(*rows, strict=True)]
        names = [name.strip() for name in names] if self.strip else names
        return [name or f"Unnamed: {at}" for at, name in enumerate(names)]

    def _read_cells(self, path: Path, layout: _Layout, skip: Collection[int]) -> "pd.DataFrame":
        """Return every cell as text, missing where it is empty, the columns numbered, without empty rows.

        Raises:
            UnusableRows: pandas would cut or fill up rows.
        """
        import pandas as pd

        if layout.ragged:
            width = len(layout.header)
            reasons = {row: f"{count} fields, but the header has {width}" for row, count in layout.ragged.items()}
            row, reason = next(iter(reasons.items()))
            raise UnusableRows(
                f"{path} row {row}: {reason} ({count_of(len(reasons), 'such rows')}). "
                "Fix the row, or set the source's separator.",
                {path: reasons},
                layout.count,
            )
        # Read all rows, so that they keep their numbers, and then drop those without data.
        columns = range(len(layout.header))
        codec = codec_of(path, self.encoding)
        try:
            with open_unpacked(path) as raw, warnings.catch_warnings(action="ignore", category=pd.errors.ParserWarning):
                file: IO[Any] = raw
                if self.comment:
                    lines = io.TextIOWrapper(raw, codec, newline="")
                    file = io.StringIO("".join(without_comments(lines, self.separator, self.comment)), newline="")
                frame = pd.read_csv(
                    file,
                    sep=self.separator,
                    encoding=codec,
                    header=None,
                    names=columns,
                    usecols=columns,  # so that rows above the header may have more cells
                    dtype=str,
                    keep_default_na=False,
                    skip_blank_lines=False,
                    index_col=False,
                )
        except (pd.errors.ParserError, csv.Error) as error:
            raise DataError(f"{path}: {str(error).strip()}. Fix that row, or set the source's separator.") from None
        frame.index = pd.RangeIndex(1, len(frame) + 1, name=FILE_ROW)
        below = [row for row in {*layout.left_out, *skip} if row >= layout.first]
        # pandas' skiprows would skip one row too many if a skipped row ends with a carriage return
        frame = frame.iloc[layout.first - 1 :].drop(index=below)
        frame = frame.apply(lambda cells: cells.str.strip()) if self.strip else frame
        return frame.replace("", None).dropna(how="all")

    def numbers(self, cells: "pd.Series[str]", path: Path) -> "pd.Series[float]":
        """Return the cells of a column of text as numbers; raise `UnusableRows` for other cells."""
        cells = self.unmarked(cells)
        values = self.parse(cells)
        check_finite(path, values, cells, lambda received: self._remedy(str(cells.name), received.strip()))
        return values

    def _remedy(self, column: str, received: str) -> str:
        """Return which setting reads a cell that is not a number, if one does."""
        unit = self.units.get(column)
        if unit and unit not in received:
            return (
                f"Each cell of the column must have the unit {unit!r}. Fix it, or convert it in the source's prepare."
            )
        if re.fullmatch(grouped_digits(",") + r"(\.\d*)?", received) and self.decimal == ".":
            return "If commas are between thousands, set the source's thousands = ','."
        if "," in received and self.decimal == ".":
            return "If commas are decimal marks, set the source's decimal = ','."
        if re.fullmatch(rf"[-+]?[\d.,]+\s?({MULTIPLIER})", received):
            return "Convert the column in the source's prepare."
        if other := re.fullmatch(r"[-+]?[\d.,]+\s?([^\d\s.,]{1,5})", received):
            setting = f"units = {toml_value({column: other[1]})}"
            return f"Fix it or leave it empty; if {other[1]!r} is the unit of all cells, set the source's {setting}."
        return "Fix it or leave it empty; if it means that there is no value, add it to the source's missing."


def log_ends(source: Csv, paths: Sequence[Path]) -> None:
    """Log the rows that are left out at the end of CSV files, and a warning if a last row has no line end."""
    if source.footer and (rows := [(path, row) for path in paths for row in source.footer_rows(path)]):
        logger.info("%s row %d: left out as footer (%s)", *rows[0], count_of(len(rows), "such rows"))
    if cut := list(filter(lacks_line_end, paths)):
        logger.warning(
            "%s: the last row has no line end (%s). If the file was cut, the last value may be wrong.",
            *(cut[0], count_of(len(cut), "such files")),
        )


def is_tab_separated(place: str) -> bool:
    """Return whether a file name says that tabs separate the cells."""
    return place.lower().endswith(_TABS)


@contextmanager
def open_rows(path: Path, encoding: str, separator: str, comment: str | None) -> Iterator[Iterator[list[str]]]:
    """Yield the rows of a file and an empty one at the end, which is missing if a quote is never closed.

    Comments are empty rows, so that all rows keep their numbers.

    Raises:
        DataError: the file is not of this encoding; the message names the first such row.
    """
    csv.field_size_limit(MAX_CELL_LENGTH)
    try:
        with open_unpacked(path) as raw, io.TextIOWrapper(raw, codec_of(path, encoding), newline="") as file:
            yield csv.reader(chain(without_comments(file, separator, comment), [""]), delimiter=separator)
    except UnicodeError:
        row = _first_undecodable(path, encoding, separator, comment)
        raise DataError(f"{path} row {row}: not {encoding}. Set the source's encoding.") from None


def without_comments(lines: Iterable[str], separator: str, comment: str | None) -> Iterable[str]:
    """Return the lines of a file, with comments replaced by empty lines.

    A comment is a line outside quotes whose first cell begins with the text `comment`, after spaces. Quotes in comments
    have no meaning, so comments must be removed before quotes are parsed.
    """
    return lines if comment is None else _blank_comments(iter(lines), separator, comment)


def is_comment(line: str, separator: str, comment: str) -> bool:
    """Return whether a line that begins outside quotes is a comment."""
    return line.partition(separator)[0].lstrip().startswith(comment)


def _blank_comments(lines: Iterator[str], separator: str, comment: str) -> Iterator[str]:
    taken: list[str] = []  # lines of one row: several if a quoted cell has line ends

    def take() -> Iterator[str]:
        for line in lines:
            starts_row = not taken
            taken.append(
                line[len(line.rstrip("\r\n")) :] if starts_row and is_comment(line, separator, comment) else line
            )
            yield taken[-1]

    for _ in csv.reader(take(), delimiter=separator):
        yield from taken
        taken.clear()


def codec_of(path: Path, encoding: str) -> str:
    """Return Python's name of an encoding; for UTF-8 the variant without a byte order mark."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except (LookupError, ValueError):  # not an encoding, or not one of text
        raise unknown_encoding(path, encoding) from None
    return "utf-8-sig" if name == "utf-8" else name


def _first_undecodable(path: Path, encoding: str, separator: str, comment: str | None) -> int:
    content = read_bytes(path)
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "ignore") + "x"  # the cell that cannot be decoded
    except UnicodeError:
        return 1
    row = 0
    try:
        lines = without_comments(io.StringIO(before, newline=""), separator, comment)
        for _ in csv.reader(lines, delimiter=separator):
            row += 1
    except csv.Error:  # the cell is too long as well
        return row + 1
    return row

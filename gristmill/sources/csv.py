"""CSV files."""

import csv
import gzip
import io
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from gristmill.errors import DataError, shown, such
from gristmill.settings import Files
from gristmill.sources import LARGEST, Rows, joined, refuse_missing

if TYPE_CHECKING:
    import pandas as pd

_LONGEST = 2**31 - 1  # characters of a cell; Python's own limit is far lower than what a text may have


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

    def _columns(self, path: Path, wanted: list[str], numbers: Sequence[str]) -> "pd.DataFrame":
        """Return the wanted columns of one file, without the rows of which every cell is empty."""
        frame = self._cells(path)
        _refuse_missing(path, wanted, list(frame.columns))
        _refuse_ragged_rows(path, self.separator, self.encoding, len(frame.columns))
        frame = frame.replace("", None).dropna(how="all")[wanted]
        for name in numbers:
            frame[name] = self._numbers(frame[name], path)
        return frame

    def _cells(self, path: Path) -> "pd.DataFrame":
        """Return every cell as text: empty ones as "", ones that a short row lacks as missing."""
        import pandas as pd

        try:
            with warnings.catch_warnings(action="ignore", category=pd.errors.ParserWarning):  # checked below
                frame = pd.read_csv(
                    path,
                    sep=self.separator,
                    encoding=self.encoding,
                    compression="gzip" if path.suffix == ".gz" else None,
                    dtype=str,
                    keep_default_na=False,
                    skip_blank_lines=False,
                    index_col=False,
                )
        except pd.errors.EmptyDataError:
            raise DataError(f"{path}: the file is empty. Expected a header line and rows.") from None
        except UnicodeError:
            row = _first_undecodable(path, self.separator, self.encoding)
            raise DataError(f"{path} row {row}: not {self.encoding}. Set the source's encoding.") from None
        except LookupError:
            raise DataError(
                f"{path}: unknown encoding {self.encoding!r}. Set the source's encoding to one that Python knows."
            ) from None
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path}: not a whole gzip file ({error}). Fetch it again.") from None
        except (pd.errors.ParserError, csv.Error) as error:
            raise DataError(f"{path}: {str(error).strip()}. Mend that row, or set the source's separator.") from None
        frame.index = pd.RangeIndex(2, len(frame) + 2, name="row")
        return frame

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
                f"{path} row {cells.index[first]}, column {cells.name!r}: not a finite number: {shown(received)} "
                f"({such(bad.sum(), 'cell')}). {remedy}"
            )
        return values


def named_tabs(place: str) -> bool:
    """Return whether a name says that tabs separate the cells."""
    return place.lower().endswith(_TABS)


def _refuse_missing(path: Path, wanted: Sequence[str], there: Sequence[str]) -> None:
    """Refuse a column that is not there; where the whole header was read as one, say why."""
    try:
        refuse_missing(path, wanted, there)
    except DataError as missing:
        if len(there) == 1 and any(mark in there[0] for mark in _SEPARATORS):
            raise DataError(f"{missing} If this is a row of several, set the source's separator.") from None
        raise


def _refuse_ragged_rows(path: Path, separator: str, encoding: str, width: int) -> None:
    """Refuse rows with more or fewer fields than the header, which pandas cuts or fills up."""
    csv.field_size_limit(_LONGEST)
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as raw:
        file = io.TextIOWrapper(raw, encoding, newline="")
        counts = ((row, len(cells)) for row, cells in enumerate(csv.reader(file, delimiter=separator), 1))
        ragged = [(row, count) for row, count in counts if row > 1 and count not in (0, width)]
    if ragged:
        row, found = ragged[0]
        raise DataError(
            f"{path} row {row}: {found} fields, but the header has {width} "
            f"({such(len(ragged), 'row')}). Mend the row, or set the source's separator."
        )


def _first_undecodable(path: Path, separator: str, encoding: str) -> int:
    """Return the first row, of lines or more where cells are quoted, that is not in the encoding."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        content = file.read()
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "ignore") + "x"  # the cell that cannot be decoded
        csv.field_size_limit(_LONGEST)
        return sum(1 for _ in csv.reader(io.StringIO(before, newline=""), delimiter=separator))
    return 1

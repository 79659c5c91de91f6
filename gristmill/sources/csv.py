"""One CSV file."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from gristmill.errors import DataError
from gristmill.settings import Place, Settings

if TYPE_CHECKING:
    import pandas as pd


class Csv(Settings):
    """A CSV file with a header line."""

    kind: Literal["csv"]
    path: Place  # the file, `.gz` included
    separator: str = Field(default=",", min_length=1, max_length=1)
    decimal: Literal[".", ","] = "."
    encoding: str = "utf-8"

    def read(self, path: Path, texts: Sequence[str], numbers: Sequence[str]) -> "pd.DataFrame":
        """Return the named columns; the index is the row in the file, counted from 1 with the header as row 1.

        Args:
            path: the located file.
            texts: columns taken as they stand, empty cells missing.
            numbers: columns converted to float64, empty cells NaN.

        Raises:
            DataError: naming file, row and column of what cannot be read.
        """
        import pandas as pd

        wanted = list(dict.fromkeys([*texts, *numbers]))
        try:
            header = self._frame(path, nrows=0).columns
            missing = [name for name in wanted if name not in header]
            if missing:
                raise DataError(f"{path}: no column {missing[0]!r}. Columns: {', '.join(map(repr, header))}.")
            frame = self._frame(path, usecols=wanted)[wanted]
        except pd.errors.EmptyDataError:
            raise DataError(f"{path}: the file is empty. Expected a header line and rows.") from None
        except UnicodeError as error:
            raise DataError(f"{path}: not {self.encoding}: {error}. Set the source's encoding.") from None
        except LookupError:
            raise DataError(
                f"{path}: unknown encoding {self.encoding!r}. Set the source's encoding to one that Python knows."
            ) from None
        except (pd.errors.ParserError, csv.Error) as error:
            raise DataError(f"{path}: {str(error).strip()}. Mend that row, or set the source's separator.") from None
        frame.index = pd.RangeIndex(2, len(frame) + 2, name="row")
        frame = frame.replace("", None).dropna(how="all")
        if frame.empty:
            raise DataError(f"{path}: no rows below the header. Expected at least one.")
        for name in numbers:
            frame[name] = self._numbers(frame[name], path)
        return frame

    def _frame(self, path: Path, **options: object) -> "pd.DataFrame":
        import pandas as pd

        return pd.read_csv(  # type: ignore[call-overload, no-any-return]  # the stubs know no forwarded options
            path,
            sep=self.separator,
            encoding=self.encoding,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            **options,
        )

    def _numbers(self, cells: "pd.Series[str]", path: Path) -> "pd.Series[float]":
        import pandas as pd

        plain = cells.str.replace(self.decimal, ".", regex=False) if self.decimal != "." else cells
        values = pd.to_numeric(plain, errors="coerce").astype("float64")
        bad = values.isna() & cells.notna()
        if bad.any():
            first = int(bad.argmax())
            received = str(cells.iloc[first])
            comma = "," in received and self.decimal == "."
            remedy = "Set the source's decimal = ','." if comma else "Mend the cell, or leave it empty."
            raise DataError(
                f"{path} row {cells.index[first]}, column {cells.name!r}: not a number: {received!r} "
                f"({bad.sum()} such cells). {remedy}"
            )
        return values

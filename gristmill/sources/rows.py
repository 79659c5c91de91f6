"""Rows of a table and their positions in the source files, and the protocol of all table sources.

A source is a settings class with a `read` method. Each kind is a module of a package below this one (`tables`, …).
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from gristmill.errors import DataError, short_repr

if TYPE_CHECKING:
    import pandas as pd

MAX_NUMBER = 3e38  # the largest float32, the type that networks compute in

_MAX_COLUMNS_LISTED = 40


@dataclass(frozen=True)
class Rows:
    """Columns of a table, with the file and row number of each row."""

    frame: "pd.DataFrame"  # the index is the row number that a user sees in the file
    files: tuple[Path, ...] = ()  # in the order of the rows; empty where the rows come from no file
    starts: tuple[int, ...] = ()  # position in the frame of each file's first row
    origin: str = "the synthetic series"  # name in messages if the rows come from no file
    file_per_row: bool = False  # each row is a whole file

    @property
    def name(self) -> str:
        """Return the name of all rows for messages."""
        if len(self.files) == 1:
            return str(self.files[0])
        return f"{commonpath(self.files)} ({len(self.files)} files)" if self.files else self.origin

    def where(self, *positions: int) -> str:
        """Return file and row number of rows: `…/sales.csv row 17`, `…/sales.csv rows 4 and 5`."""
        if self.file_per_row:
            return " and ".join(str(self.files[position]) for position in positions)
        rows: dict[str, list[str]] = {}
        for position in positions:
            file = self.files[bisect_right(self.starts, position) - 1] if self.files else self.name
            rows.setdefault(str(file), []).append(str(self.frame.index[position]))
        return " and ".join(f"{file} row{'s' * (len(at) > 1)} {' and '.join(at)}" for file, at in rows.items())

    def ids(self) -> list[str]:
        """Return a short name of each row: `17`, or `in/sales.csv 17` where there are several files."""
        rows = [str(row) for row in self.frame.index]
        if len(self.files) < 2:  # a single file may be renamed without changing any id
            return rows
        names = relative_names(self.files)
        return [f"{names[bisect_right(self.starts, at) - 1]} {row}" for at, row in enumerate(rows)]


class TableSource(Protocol):
    """Source that reads columns of a table."""

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the requested columns.

        Args:
            paths: the located files; those named `.gz` are unpacked.
            texts: columns to return unconverted, as text where the source has text; empty cells are missing.
            numbers: columns to convert to float64; empty cells are NaN.

        Raises:
            DataError: naming file, row and column of a value that cannot be read.
        """
        ...


@runtime_checkable
class FixedColumns(Protocol):
    """Source whose columns have fixed names: `part` where it knows parts, `id` or `file` where these name a row."""

    @property
    def columns(self) -> tuple[str, ...]: ...


def requested_columns(texts: Sequence[str], numbers: Sequence[str]) -> list[str]:
    """Return all requested columns, each once."""
    return list(dict.fromkeys([*texts, *numbers]))


def select_columns(
    frame: "pd.DataFrame", texts: Sequence[str], numbers: Sequence[str], origin: str | Path
) -> "pd.DataFrame":
    """Return the requested columns of a table that is in memory; raise `DataError` if a column is missing."""
    columns = requested_columns(texts, numbers)
    check_columns(origin, columns, list(frame.columns))
    return frame[columns]


def relative_names(files: Sequence[Path]) -> list[str]:
    """Return the paths of files relative to the folder that they share."""
    top = commonpath([path.parent for path in files])
    return [path.relative_to(top).as_posix() for path in files]


def read_all(paths: Sequence[Path], read: "Callable[[Path], pd.DataFrame]") -> Rows:
    """Read files one by one and return their rows in that order; raise `DataError` if there are no rows."""
    import pandas as pd

    frames = [read(path) for path in paths]
    starts = [0]
    for frame in frames[:-1]:
        starts.append(starts[-1] + len(frame))
    rows = Rows(frames[0] if len(frames) == 1 else pd.concat(frames), tuple(paths), tuple(starts))
    if rows.frame.empty:
        raise DataError(f"{rows.name}: no rows. Expected at least one.")
    return rows


def check_columns(name: str | Path, expected: Iterable[str], found: Sequence[str]) -> None:
    """Raise `DataError` if an expected column is missing or occurs twice."""
    for column in expected:
        if (count := list(found).count(column)) != 1:
            more = ", …" * (len(found) > _MAX_COLUMNS_LISTED)
            raise DataError(
                f"{name}: {count or 'no'} column{'s' * (count > 1)} {column!r}. "
                f"Columns: {', '.join(map(short_repr, found[:_MAX_COLUMNS_LISTED]))}{more}."
            )

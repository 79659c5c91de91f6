"""Rows of a table and their positions in the source files, and the protocol of all table sources.

A source is a settings class with a `read` method. Each kind is a module of a package below this one (`tables`, …).
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from gristmill.errors import DataError, count_of, short_repr
from gristmill.settings.messages import did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

FILE_ROW, PREPARED_ROW = "row", "prepared row"
"""Names of the index of a frame: rows with the numbers of their file, and rows that an own function made."""

_MAX_COLUMNS_LISTED = 40


T = TypeVar("T")
U = TypeVar("U")

Skip = Mapping[Path, Collection[int]]  # rows to leave out, by file


class UnusableRows(DataError):
    """Some rows cannot be used; the others can.

    `reasons` holds the reason for each row by file and number, and `total` counts the rows that were read.
    """

    def __init__(self, message: str, reasons: Mapping[Path, Mapping[int, str]], total: int) -> None:
        super().__init__(message)
        self.reasons, self.total = reasons, total


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

    def unusable(self, bad: "npt.NDArray[np.bool_]", message: str, reason: str | Callable[[int], str]) -> UnusableRows:
        """Return the error for rows that cannot be used, (rows,); the reason may depend on the position."""
        reasons: dict[Path, dict[int, str]] = {}
        for position in bad.nonzero()[0].tolist() if self.files else ():
            file, row = self.files[bisect_right(self.starts, position) - 1], int(self.frame.index[position])
            reasons.setdefault(file, {})[row] = reason if isinstance(reason, str) else reason(position)
        return UnusableRows(message, reasons, len(self.frame))

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
    """Read files one by one and return their rows in that order.

    Raises:
        DataError: a file cannot be read, or there are no rows.
        UnusableRows: some rows cannot be used; it names those of all files.
    """
    import pandas as pd

    # Read all files, also after a fault, so that the error names the rows of all.
    frames: list[pd.DataFrame] = []
    unusable: list[UnusableRows] = []
    for path in paths:
        try:
            frames.append(read(path))
        except UnusableRows as error:
            unusable.append(error)
    if unusable:
        reasons = {path: rows for error in unusable for path, rows in error.reasons.items()}
        total = sum(map(len, frames)) + sum(error.total for error in unusable)
        raise UnusableRows(str(unusable[0]), reasons, total)
    # Number the rows as in their files, or from 1 if an own function made new ones.
    if any(frame.index.name == PREPARED_ROW for frame in frames):
        name = Rows(frames[0], tuple(paths)).name
        whole = pd.concat(frames, ignore_index=True)
        rows = Rows(whole.set_axis(whole.index + 1), origin=f"{name} after the source's prepare")
    else:
        starts = accumulate(map(len, frames[:-1]), initial=0)
        rows = Rows(frames[0] if len(frames) == 1 else pd.concat(frames), tuple(paths), tuple(starts))
    if rows.frame.empty:
        raise DataError(f"{rows.name}: no rows. Expected at least one.")
    return rows


def unusable_in_file(
    path: Path, index: "pd.Index", bad: "npt.NDArray[np.bool_]", reason: str, received: str, remedy: str
) -> UnusableRows:
    """Return the error for cells of a file that cannot be used; `received` describes the first.

    Rows that an own function made have no number in the file, so they cannot be set aside.
    """
    rows = index[bad].tolist()
    message = f"{path} {index.name} {rows[0]}, {reason}{received} ({count_of(len(rows), 'such cells')}). {remedy}"
    return UnusableRows(message, {path: dict.fromkeys(rows, reason)} if index.name == FILE_ROW else {}, len(index))


def convert_rows(items: Mapping[int, T], convert: Callable[[T], U], path: Path, column: str = "") -> dict[int, U]:
    """Convert the items of rows, given by number, one by one; the `DataError` of `convert` names no row.

    Raises:
        UnusableRows: items cannot be converted.
    """
    converted: dict[int, U] = {}
    faults: dict[int, str] = {}
    for row, item in items.items():
        try:
            converted[row] = convert(item)
        except DataError as error:
            faults[row] = f"column {column!r}: {error}" if column else str(error)
    if faults:
        row, fault = next(iter(faults.items()))
        message = f"{path} row {row}{', ' if column else ': '}{fault}"
        raise UnusableRows(message, {path: faults}, len(items))
    return converted


def check_columns(name: str | Path, expected: Collection[str], columns: Sequence[str]) -> None:
    """Raise `DataError` if an expected column occurs twice, or one that names all missing columns."""
    for column in expected:
        if list(columns).count(column) > 1:
            places = " and ".join(str(at) for at, name in enumerate(columns, 1) if name == column)
            raise DataError(f"{name}: columns {places} are both named {column!r}. Rename one of them.")
    if missing := [column for column in dict.fromkeys(expected) if column not in columns]:
        hints = []
        for column in missing[:3]:  # a column may have all words of the missing one, or be similar to it
            longer = [name for name in columns if _words(column) <= _words(name)]
            hints.append(f" Did you mean {short_repr(longer[0])}?" if longer else did_you_mean(column, columns))
        shown = f"{_listed(missing)}.{''.join(dict.fromkeys(hints))}"
        raise DataError(f"{name}: no column{'s' * (len(missing) > 1)} {shown} Columns: {_listed(columns)}.")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(short_repr, names[:_MAX_COLUMNS_LISTED])) + ", …" * (len(names) > _MAX_COLUMNS_LISTED)


def _words(name: str) -> set[str]:
    return set(re.split(r"[\s_-]+", name.lower()))

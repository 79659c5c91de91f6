"""Where raw data comes from, one file a kind. A source is a settings class with a method that reads it."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path
from typing import TYPE_CHECKING

from gristmill.errors import DataError, short_repr

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 3e38  # what a float32, the type networks work in, can hold

_NAMED = 40  # columns that a message names


@dataclass(frozen=True)
class Rows:
    """Columns of a table, and where each row of it stands."""

    frame: "pd.DataFrame"  # the index is the row as people count it in its own file
    files: tuple[Path, ...] = ()  # in the order of the rows; none where the rows were made up
    starts: tuple[int, ...] = ()  # position in the frame of each file's first row
    called: str = "the synthetic series"  # what a message calls rows that come from no files
    whole: bool = False  # each row is a whole file

    @property
    def name(self) -> str:
        """What a message about all rows begins with."""
        if len(self.files) == 1:
            return str(self.files[0])
        return f"{commonpath(self.files)} ({len(self.files)} files)" if self.files else self.called

    def where(self, *positions: int) -> str:
        """Return where rows of the frame stand: `…/sales.csv row 17`, `…/sales.csv rows 4 and 5`."""
        if self.whole:
            return " and ".join(str(self.files[position]) for position in positions)
        rows: dict[str, list[str]] = {}
        for position in positions:
            file = self.files[bisect_right(self.starts, position) - 1] if self.files else self.name
            rows.setdefault(str(file), []).append(str(self.frame.index[position]))
        return " and ".join(f"{file} row{'s' * (len(at) > 1)} {' and '.join(at)}" for file, at in rows.items())

    def ids(self) -> list[str]:
        """Return a short name for each row: `17`, or `in/sales.csv 17` where there are several files."""
        rows = [str(row) for row in self.frame.index]
        if len(self.files) < 2:  # the name of the only file counts nowhere
            return rows
        names = below(self.files)
        return [f"{names[bisect_right(self.starts, at) - 1]} {row}" for at, row in enumerate(rows)]


def below(files: Sequence[Path]) -> list[str]:
    """Return the paths of files below the folder that they share."""
    top = commonpath([path.parent for path in files])
    return [path.relative_to(top).as_posix() for path in files]


def joined(frames: Sequence[tuple[Path, "pd.DataFrame"]]) -> Rows:
    """Return the rows of several files, one after the other."""
    import pandas as pd

    starts = [0]
    for _, frame in frames[:-1]:
        starts.append(starts[-1] + len(frame))
    files = tuple(path for path, _ in frames)
    whole = frames[0][1] if len(frames) == 1 else pd.concat([frame for _, frame in frames])
    return Rows(whole, files, tuple(starts))


def refuse_missing(name: str | Path, wanted: Iterable[str], there: Sequence[str]) -> None:
    """Raise `DataError` where a column is not there, with those that are, or is there twice."""
    for column in wanted:
        if (count := list(there).count(column)) != 1:
            raise DataError(
                f"{name}: {count or 'no'} column{'s' * (count > 1)} {column!r}. "
                f"Columns: {', '.join(map(short_repr, there[:_NAMED]))}{', …' * (len(there) > _NAMED)}."
            )

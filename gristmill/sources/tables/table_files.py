"""A source of tables in files. An own function can clean the data frame of each file before anything else reads it."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from gristmill.errors import RequestError, short_repr
from gristmill.settings.base import MAX_NUMBER, Files
from gristmill.settings.custom_code import OwnFunction
from gristmill.sources.rows import (
    FILE_ROW,
    PREPARED_ROW,
    Rows,
    Skip,
    check_columns,
    read_all,
    requested_columns,
    unusable_in_file,
)
from gristmill.util.table_io import as_texts

if TYPE_CHECKING:
    import pandas as pd

Prepare = Callable[["pd.DataFrame"], "pd.DataFrame"]
Texts = Annotated[tuple[str, ...], Field(strict=False)]


class TableFiles(Files):
    """A source of tables in files."""

    prepare: OwnFunction | None = None  # own function that cleans the data frame of each file: "clean.py:prepare"
    missing: Texts = ()  # texts that mark a missing number, such as "NA"
    missing_in: Texts = ()  # columns other than numbers in which these texts mean an empty cell, too
    _kept: dict[Any, Any] | None = PrivateAttr(None)  # frames after `prepare`, by file and rows to skip

    @model_validator(mode="after")
    def _check_missing(self) -> Self:
        if self.missing_in and not self.missing:
            raise ValueError("missing_in names columns, but missing names no texts")
        return self

    def preparing_once(self) -> Self:
        """Return this source, which calls `prepare` once for each file, so that all its reads give the same rows."""
        source = self.model_copy()
        source._kept = {}
        return source

    def split_paths(self, paths: Sequence[Path]) -> tuple[list[Path], Prepare | None]:
        """Return the files of data, and the function of those of code, which come after them.

        Raises:
            RequestError: the code cannot be loaded.
        """
        first = next((at for at, path in enumerate(paths) if path.suffix == ".py"), len(paths))
        data, code = [*paths[:first]], paths[first:]
        if self.prepare is None:
            return data, None
        name, call = self.prepare.kind, self.prepare.load(code, "the data frame of a file")

        def prepare(frame: "pd.DataFrame") -> "pd.DataFrame":
            """Return the result with the numbers of rows of the file, if it has them, or else with numbers from 1."""
            import pandas as pd

            prepared = call(frame.infer_objects())
            if not isinstance(prepared, pd.DataFrame):
                kind = type(prepared).__name__
                raise RequestError(f"{name} returned a {kind}. Expected a pandas.DataFrame: return one.")
            prepared.columns = prepared.columns.astype("str")
            index = prepared.index
            if index.name == FILE_ROW and index.is_unique and index.isin(frame.index).all():
                return prepared
            return prepared.set_axis(pd.RangeIndex(1, len(prepared) + 1, name=PREPARED_ROW))

        return data, prepare

    def read(
        self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str], skip: Skip = MappingProxyType({})
    ) -> Rows:
        """Return the requested columns of all rows but those to `skip`; see `TableSource.read`."""
        files, prepare = self.split_paths(paths)

        def read(path: Path) -> "pd.DataFrame":
            skipped = skip.get(path, ())
            if prepare:
                frame = self._convert(self._read_cleaned(path, prepare, skipped), path, texts, numbers)
            else:
                frame = self.read_file(path, texts, numbers, skipped)
            for name in {*self.missing_in}.intersection(texts).difference(numbers):
                frame[name] = self.unmarked(frame[name])
            return frame

        return read_all(files, read)

    def whole(self, paths: Sequence[Path]) -> "pd.DataFrame":
        """Return all columns of files after `prepare`, with the rows of `read` in their order."""
        import pandas as pd

        files, prepare = self.split_paths(paths)
        frames = [self._read_cleaned(path, prepare) if prepare else self.cells(path) for path in files]
        return pd.concat(frames, ignore_index=True)

    def _read_cleaned(self, path: Path, prepare: Prepare, skip: Collection[int] = ()) -> "pd.DataFrame":
        """Return the frame of a file after `prepare`, without rows to `skip`."""
        kept, key = {} if self._kept is None else self._kept, (path, *skip)
        if key not in kept:
            kept[key] = prepare(self.cells(path, skip))
        frame: pd.DataFrame = kept[key]
        return frame

    def cells(self, path: Path, skip: Collection[int] = ()) -> "pd.DataFrame":
        """Return all columns of a file as its kind has them, under the numbers of the rows, without rows to `skip`."""
        raise NotImplementedError

    def read_file(
        self, path: Path, texts: Sequence[str], numbers: Sequence[str], skip: Collection[int]
    ) -> "pd.DataFrame":
        """Return the requested columns of a file without `prepare`, as `cells` returns all."""
        raise NotImplementedError

    def contents(self, path: Path, rows: Collection[int]) -> dict[int, str]:
        """Return rows of a file as text, by their numbers."""
        raise NotImplementedError

    def unmarked(self, cells: "pd.Series[Any]") -> "pd.Series[Any]":
        """Return the cells of a column without the texts of `missing`."""
        if not self.missing or cells.dtype.kind != "O":  # numbers or times
            return cells
        return cells.mask(cells.astype("str").str.strip().isin(self.missing))

    def numbers(self, cells: "pd.Series[str]", path: Path) -> "pd.Series[float]":
        """Return the cells of a column of text as numbers; raise `UnusableRows` for other cells."""
        import pandas as pd

        cells = self.unmarked(cells)
        values = pd.to_numeric(cells, errors="coerce").astype("float64")
        check_finite(path, values, cells)
        return values

    def _convert(
        self, frame: "pd.DataFrame", path: Path, texts: Sequence[str], numbers: Sequence[str]
    ) -> "pd.DataFrame":
        """Return the requested columns: numbers as float64, times as they are, all others as text."""
        import pandas as pd

        wanted = requested_columns(texts, numbers)
        check_columns(f"{path} after the source's prepare", wanted, list(frame.columns))
        columns: dict[str, pd.Series[Any]] = {}
        for name in wanted:
            cells = frame[name]
            if name not in numbers:
                columns[name] = cells if cells.dtype.kind == "M" else as_texts(cells)
            elif cells.dtype == "str":
                columns[name] = self.numbers(cells, path)
            else:
                columns[name] = TableFiles.numbers(self, cells, path)
        return pd.DataFrame(columns, frame.index)


def check_finite(
    path: Path,
    values: "pd.Series[float]",
    cells: "pd.Series[Any]",
    remedy: Callable[[Any], str] = lambda _: "Fix it or leave it empty.",
) -> None:
    """Raise `UnusableRows` if a cell of a file that is not empty is no number that networks can compute with.

    `remedy` returns what to do about the first such cell.
    """
    bad = (cells.notna() & ~(values.abs() < MAX_NUMBER)).to_numpy()
    if bad.any():
        reason = f"column {values.name!r}: not a finite number"
        received = cells.iloc[int(bad.argmax())]
        shown = short_repr(received) if isinstance(received, str) else received
        raise unusable_in_file(path, values.index, bad, reason, f": {shown}", remedy(received))

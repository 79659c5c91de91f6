"""Parquet files."""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from gristmill.errors import DataError
from gristmill.sources.file_content import check_table
from gristmill.sources.rows import FILE_ROW, Rows, Skip, check_columns, requested_columns
from gristmill.sources.tables.table_files import TableFiles, check_finite
from gristmill.util.table_io import as_texts

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_TEXT_TYPES = ("text", "integers", "numbers", "booleans", "times", "times with a zone")
_NUMBER_TYPES = ("numbers", "integers", "booleans", "nothing")


class Parquet(TableFiles):
    """One or several Parquet files with the same columns."""

    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)

    kind: Literal["parquet"]

    def read(
        self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str], skip: Skip = MappingProxyType({})
    ) -> Rows:
        """Return the requested columns, which must have one type in all files."""
        rows = super().read(paths, texts, numbers, skip)
        for name in texts if self.prepare is None and len(rows.files) > 1 else ():
            if rows.frame[name].dtype == object:
                raise DataError(f"{rows.name}, column {name!r}: its type differs between files. Use one type.")
        return rows

    def read_file(
        self, path: Path, texts: Sequence[str], numbers: Sequence[str], skip: Collection[int]
    ) -> "pd.DataFrame":
        """Return the requested columns; a row counts from 1 in its own file.

        Columns of text may also hold integers, other numbers (`0.5` and `3`), booleans (`true` and `false`) or times,
        those with a zone in UTC.
        """
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        # Read the columns in plain types.
        wanted = requested_columns(texts, numbers)
        with complete_parquet(path):
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                check_columns(path, wanted, file.schema_arrow.names)
                _check_types(path, file.schema_arrow, texts, numbers)
                table = file.read(columns=wanted)
            table = table.cast(pa.schema([_plain(field, numbers) for field in table.schema]), safe=False)
            others = [name for name in wanted if name not in numbers]
            for name in others:
                _check_utf8(path, name, table[name])
            written = [name for name in others if _type_name(table[name].type) in ("numbers", "booleans")]
            frame: pd.DataFrame = table.to_pandas(date_as_object=False, split_blocks=True, self_destruct=True)
        # Number the rows, write other types as text, and check the numbers.
        frame = frame[wanted].set_axis(pd.RangeIndex(1, len(frame) + 1, name=FILE_ROW))
        frame = frame.drop([*skip]) if skip else frame
        for name in written:
            frame[name] = as_texts(frame[name])
        for name in numbers:
            check_finite(path, frame[name], frame[name])
        return frame

    def cells(self, path: Path, skip: Collection[int] = ()) -> "pd.DataFrame":
        """Return all columns of a file in their own types, under the numbers of the rows, without rows to `skip`."""
        import pandas as pd
        import pyarrow.parquet as pq

        with complete_parquet(path):
            table = pq.read_table(path, page_checksum_verification=True)
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
        return frame.set_axis(pd.RangeIndex(1, len(frame) + 1, name=FILE_ROW)).drop([*skip])

    def contents(self, path: Path, rows: Collection[int]) -> dict[int, str]:
        import pyarrow.parquet as pq

        numbers = sorted(rows)
        rows_of_cells = pq.read_table(path).take([row - 1 for row in numbers]).to_pylist()
        return {row: json.dumps(cells, default=str) for row, cells in zip(numbers, rows_of_cells, strict=True)}


@contextmanager
def complete_parquet(path: Path) -> Iterator[None]:
    """Turn Arrow's errors about a damaged file, or one in another format, into `DataError`."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        check_table(path, "parquet")
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: not a complete Parquet file ({reason}). Fetch it, or write it, again.") from None


def _type_name(type_: "pa.DataType") -> str:
    """Return a name of a column's type, for `_TEXT_TYPES`, `_NUMBER_TYPES` and messages."""
    import pyarrow.types as is_a

    if is_a.is_dictionary(type_):
        return _type_name(type_.value_type)
    if is_a.is_string(type_) or is_a.is_large_string(type_) or is_a.is_string_view(type_):
        return "text"
    if is_a.is_timestamp(type_):
        return "times with a zone" if type_.tz else "times"
    names = {
        "times": is_a.is_date,
        "integers": is_a.is_integer,
        "booleans": is_a.is_boolean,
        "nothing": is_a.is_null,
        "numbers": lambda type_: is_a.is_floating(type_) or is_a.is_decimal(type_),
    }
    return next((name for name, matches in names.items() if matches(type_)), str(type_))


def _check_types(path: Path, schema: "pa.Schema", texts: Sequence[str], numbers: Sequence[str]) -> None:
    for names, allowed, expected in (
        (texts, _TEXT_TYPES, "text, numbers, booleans or times"),
        (numbers, _NUMBER_TYPES, "numbers"),
    ):
        for name in names:
            if (type_name := _type_name(schema.field(name).type)) not in allowed:
                raise DataError(
                    f"{path}, column {name!r}: holds {type_name}. Expected {expected}: name another column."
                )


def _plain(field: "pa.Field", numbers: Sequence[str]) -> "pa.Field":
    """Return a field as it is read: numbers as float64, no dictionaries or decimals, times with a zone in UTC."""
    import pyarrow as pa

    type_ = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if field.name in numbers or pa.types.is_decimal(type_):
        type_ = pa.float64()
    elif pa.types.is_timestamp(type_) and type_.tz:
        type_ = pa.timestamp(type_.unit, "UTC")
    return field.with_type(type_)


def _check_utf8(path: Path, name: str, cells: "pa.ChunkedArray") -> None:
    """Raise `DataError` for text that is not UTF-8, which Arrow does not check."""
    import pyarrow as pa

    if _type_name(cells.type) != "text":
        return
    try:
        cells.validate(full=True)
    except pa.ArrowInvalid:
        for row, cell in enumerate(cells.cast(pa.large_binary()).to_pylist(), 1):
            try:
                (cell or b"").decode()
            except UnicodeDecodeError:
                raise DataError(f"{path} row {row}, column {name!r}: not utf-8. Write the file again.") from None
        raise

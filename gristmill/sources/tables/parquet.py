"""Parquet files."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gristmill.errors import DataError, count_such
from gristmill.settings.base import Files
from gristmill.sources.rows import LARGEST, Rows, joined, refuse_missing

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_AS_TEXT = ("text", "integers", "booleans", "times", "times with a zone")
_AS_NUMBERS = ("numbers", "integers", "booleans", "nothing")


class Parquet(Files):
    """One or several Parquet files with the same columns."""

    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)

    kind: Literal["parquet"]

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the named columns, and only those are read; a row counts from 1 in its own file.

        Args:
            paths: the located files.
            texts: columns taken as they stand: text, integers, or times, of which those with a zone are in UTC;
                booleans are true and false.
            numbers: columns converted to float64, true being 1; NaN counts as missing.

        Raises:
            DataError: naming file, row and column of what cannot be read.
        """
        wanted = list(dict.fromkeys([*texts, *numbers]))
        rows = joined([(path, self._columns(path, wanted, texts, numbers)) for path in paths])
        _refuse_other_types(rows, texts)
        if rows.frame.empty:
            raise DataError(f"{rows.name}: no rows. Expected at least one.")
        return rows

    def _columns(self, path: Path, wanted: list[str], texts: Sequence[str], numbers: Sequence[str]) -> "pd.DataFrame":
        """Return the wanted columns of one file."""
        import pandas as pd
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                refuse_missing(path, wanted, file.schema_arrow.names)
                _refuse_types(path, file.schema_arrow, texts, numbers)
                table = file.read(columns=wanted)
            table = table.cast(_plain(table.schema, numbers), safe=False)
            for name in texts:
                _refuse_undecodable(path, name, table[name])
            frame: pd.DataFrame = table.to_pandas(date_as_object=False, split_blocks=True, self_destruct=True)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise DataError(f"{path}: not a whole Parquet file ({reason}). Fetch it, or write it, again.") from None
        frame = frame[wanted].set_axis(pd.RangeIndex(1, len(frame) + 1, name="row"))
        for name in numbers:
            _refuse_wild(path, frame[name])
        return frame


def _kind(type_: "pa.DataType") -> str:
    """Return what a column of this type holds."""
    import pyarrow.types as is_a

    if is_a.is_dictionary(type_):
        return _kind(type_.value_type)
    if is_a.is_string(type_) or is_a.is_large_string(type_) or is_a.is_string_view(type_):
        return "text"
    if is_a.is_timestamp(type_):
        return "times with a zone" if type_.tz else "times"
    named = {
        "times": is_a.is_date,
        "integers": is_a.is_integer,
        "booleans": is_a.is_boolean,
        "nothing": is_a.is_null,
        "numbers": lambda type_: is_a.is_floating(type_) or is_a.is_decimal(type_),
    }
    return next((name for name, holds in named.items() if holds(type_)), str(type_))


def _refuse_types(path: Path, schema: "pa.Schema", texts: Sequence[str], numbers: Sequence[str]) -> None:
    """Refuse a column that holds neither what it is asked for nor what can be made of it."""
    for names, allowed, expected in (
        (texts, _AS_TEXT, "text, integers, booleans or times"),
        (numbers, _AS_NUMBERS, "numbers"),
    ):
        for name in names:
            if (kind := _kind(schema.field(name).type)) not in allowed:
                raise DataError(f"{path}, column {name!r}: holds {kind}. Expected {expected}: name another column.")


def _plain(schema: "pa.Schema", numbers: Sequence[str]) -> "pa.Schema":
    """Return the schema to work with: float64, text that is no dictionary, true and false, times with a zone in UTC."""
    import pyarrow as pa

    def plain(field: Any) -> Any:
        type_ = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if field.name in numbers:
            return field.with_type(pa.float64())
        if pa.types.is_timestamp(type_) and type_.tz:
            return field.with_type(pa.timestamp(type_.unit, "UTC"))
        if pa.types.is_boolean(type_):
            return field.with_type(pa.string())
        return field.with_type(type_)

    return pa.schema([plain(field) for field in schema])


def _refuse_undecodable(path: Path, name: str, cells: "pa.ChunkedArray") -> None:
    """Refuse text that is not UTF-8, which Arrow takes as it comes."""
    import pyarrow as pa

    if _kind(cells.type) != "text":
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


def _refuse_wild(path: Path, values: "pd.Series[float]") -> None:
    bad = values.notna() & ~(values.abs() < LARGEST)
    if bad.any():
        first = int(bad.argmax())
        raise DataError(
            f"{path} row {values.index[first]}, column {values.name!r}: not a finite number: {values.iloc[first]} "
            f"({count_such(bad.sum(), 'cell')}). Mend it or leave it empty."
        )


def _refuse_other_types(rows: Rows, texts: Sequence[str]) -> None:
    """Refuse files of which one holds text where another holds times."""
    for name in texts:
        if rows.frame[name].dtype == object and len(rows.files) > 1:
            raise DataError(f"{rows.name}, column {name!r}: holds another type in one file than in another.")

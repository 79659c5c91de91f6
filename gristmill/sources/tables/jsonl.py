"""JSON Lines: one JSON object per line."""

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gristmill.errors import DataError, short_repr
from gristmill.settings.base import MAX_NUMBER
from gristmill.sources.file_content import check_table, read_text
from gristmill.sources.rows import FILE_ROW, check_columns, convert_rows, requested_columns
from gristmill.sources.tables.table_files import TableFiles
from gristmill.util.table_io import cell_text

if TYPE_CHECKING:
    import pandas as pd


class Jsonl(TableFiles):
    """One or several files with one JSON object per line, whose keys are the columns."""

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")

    kind: Literal["jsonl"]
    encoding: str = "utf-8"  # encoding of the files by its Python name, such as "cp1252"

    def cells(self, path: Path, skip: Collection[int] = ()) -> "pd.DataFrame":
        """Return all keys of a file's objects as columns, under the numbers of the rows, without rows to `skip`."""
        import pandas as pd

        objects = self._read_objects(path, skip)
        return pd.DataFrame([*objects.values()], pd.Index(objects, name=FILE_ROW, dtype="int64"), dtype=object)

    def contents(self, path: Path, rows: Collection[int]) -> dict[int, str]:
        return {row: line for row, line in self._read_lines(path).items() if row in rows}

    def _read_lines(self, path: Path) -> dict[int, str]:
        check_table(path, self.kind)
        text = read_text(path, self.encoding, unit="row")
        check_lines(path, text)
        lines = text.split("\n")  # JSON contains no other line end
        return {row: line for row, line in enumerate(lines, 1) if line.strip()}

    def _read_objects(self, path: Path, skip: Collection[int]) -> dict[int, dict[str, Any]]:
        lines = {row: line for row, line in self._read_lines(path).items() if row not in skip}
        return convert_rows(lines, _parse_object, path)

    def read_file(
        self, path: Path, texts: Sequence[str], numbers: Sequence[str], skip: Collection[int]
    ) -> "pd.DataFrame":
        """Return the requested columns; a row is a line, counted from 1, and empty lines are left out.

        In text columns, 3.0 is `3`, and a missing key, null and "" are missing. In number columns, true is 1, and a
        missing key, null and NaN are missing.
        """
        import pandas as pd

        objects = self._read_objects(path, skip)
        wanted = requested_columns(texts, numbers)
        index = pd.Index(objects, name=FILE_ROW, dtype="int64")
        if objects:
            check_columns(path, wanted, list(dict.fromkeys(key for row in objects.values() for key in row)))
        columns = {}
        for name in wanted:
            convert, dtype = (_to_number, "float64") if name in numbers else (_to_text, "str")
            values = {number: row.get(name) for number, row in objects.items()}
            if name in numbers:
                values = {number: None if _is_in(self.missing, value) else value for number, value in values.items()}
            cells: Any = [*convert_rows(values, convert, path, name).values()]
            columns[name] = pd.Series(cells, index, dtype=dtype)
        return pd.DataFrame(columns, index)


def check_lines(path: Path, text: str, may_be_row: bool = True) -> None:
    """Raise `DataError` if a text is one JSON document with all rows, instead of one object per line.

    An object on one line with a value that is not nested is a row, unless `may_be_row` is false: then a list of objects
    in it holds the rows.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):  # several lines, or not JSON
        return
    if isinstance(document, list):
        raise DataError(f"{path}: a single JSON array. Write each of its objects on its own line, without brackets.")
    is_nested = isinstance(document, dict) and all(isinstance(value, dict | list) for value in document.values())
    is_row = "\n" not in text.strip() and not is_nested
    if is_row and may_be_row:
        return
    if key := _key_of_records(document):
        raise DataError(
            f"{path}: a single JSON object that holds the rows under the key {key!r}. Write each of these rows on its "
            "own line."
        )
    if not is_row:
        raise DataError(f"{path}: a single JSON object. Write one object per row, each on its own line.")


def _key_of_records(document: object) -> str:
    """Return the key of a list of objects in nested objects, such as `result.items`; empty if there is none."""
    for key, value in document.items() if isinstance(document, dict) else ():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return str(key)
        if inner := _key_of_records(value):
            return f"{key}.{inner}"
    return ""


def _parse_object(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_check_keys)
    except json.JSONDecodeError as error:
        raise DataError(f"not JSON ({error.msg} at character {error.pos + 1}). Expected one object per line.") from None
    except (ValueError, RecursionError):  # an integer of thousands of digits, or deeply nested arrays
        raise DataError("JSON that is too large to read. Fix the line.") from None
    if not isinstance(row, dict):
        raise DataError(f"{short_repr(row)} is not an object. Expected one object per line.")
    return row


def _check_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; raise `DataError` if it has a key twice, of which `json` would take the last value."""
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"the key {short_repr(twice)} is in an object twice. Fix it.")
    return dict(pairs)


def _is_in(marks: Collection[str], value: Any) -> bool:
    return isinstance(value, str) and value.strip() in marks


def _to_text(cell: Any) -> str | None:
    """Return a cell as text; None where it is missing."""
    match cell:
        case None | "":
            return None
        case str():
            try:
                cell.encode()
            except UnicodeEncodeError:  # an escape such as \ud800 alone is not a character
                raise DataError("half of a surrogate pair. Fix it.") from None
            return cell
        case bool() | int() | float():
            return cell_text(cell)
    raise _nested_error(cell)


def _to_number(cell: Any) -> float | None:
    """Return a cell as a number; None where it is missing."""
    if cell is None:
        return None
    if isinstance(cell, bool | int | float) and (cell != cell or abs(cell) < MAX_NUMBER):  # NaN differs from itself
        return float(cell)
    if isinstance(cell, dict | list):
        raise _nested_error(cell)
    raise DataError(f"not a finite number: {short_repr(cell)}. Fix it or leave it out.")


def _nested_error(cell: Any) -> DataError:
    flatten = " flatten the objects, for example with pandas.json_normalize, or" if isinstance(cell, dict) else ""
    return DataError(f"{short_repr(cell)}. Expected text or a number:{flatten} name another column.")

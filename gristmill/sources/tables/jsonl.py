"""JSON Lines: a JSON object a line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from gristmill.errors import DataError, short_repr
from gristmill.settings.base import Files
from gristmill.sources.decoded import decoded
from gristmill.sources.rows import LARGEST, Rows, joined, refuse_missing

if TYPE_CHECKING:
    import pandas as pd


class Jsonl(Files):
    """One or several files of a JSON object a line, whose keys are the columns."""

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")

    kind: Literal["jsonl"]
    encoding: str = "utf-8"  # of the files, by a name that Python knows: "cp1252"

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows:
        """Return the named columns; a row is a line, counted from 1, and empty lines are left out.

        Args:
            paths: the located files; those named `.gz` are unpacked.
            texts: columns of text; numbers, true and false stand in them as JSON writes them. What an object lacks,
                null and "" are missing.
            numbers: columns converted to float64, true being 1; what an object lacks, null and NaN are missing.

        Raises:
            DataError: naming file, row and column of what cannot be read.
        """
        rows = joined([(path, self._columns(path, texts, numbers)) for path in paths])
        if rows.frame.empty:
            raise DataError(f"{rows.name}: no rows. Expected at least one.")
        return rows

    def _columns(self, path: Path, texts: Sequence[str], numbers: Sequence[str]) -> "pd.DataFrame":
        """Return the wanted columns of one file."""
        import pandas as pd

        lines = decoded(path, self.encoding, unit="row").split("\n")  # no other line end may stand in JSON
        objects = {row: _object(line, path, row) for row, line in enumerate(lines, 1) if line.strip()}
        wanted = list(dict.fromkeys([*texts, *numbers]))
        if objects:
            refuse_missing(path, wanted, list(dict.fromkeys(key for found in objects.values() for key in found)))
        index = pd.Index(objects, name="row", dtype="int64")
        columns = {}
        for name in wanted:
            convert, dtype = (_number, "float64") if name in numbers else (_text, "str")
            cells = [convert(found.get(name), path, row, name) for row, found in objects.items()]
            columns[name] = pd.Series(cells, index, dtype=dtype)
        return pd.DataFrame(columns, index)


def _object(line: str, path: Path, row: int) -> dict[str, Any]:
    try:
        found = json.loads(line, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} row {row}: no JSON ({error.msg} at character {error.pos + 1}). Expected an object a line."
        ) from None
    except _Twice as error:
        raise DataError(
            f"{path} row {row}: the key {short_repr(error.args[0])} stands in an object twice. Mend it."
        ) from None
    except (ValueError, RecursionError):  # an integer of thousands of digits, arrays in arrays in arrays
        raise DataError(f"{path} row {row}: JSON that is too large to read. Mend the line.") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} row {row}: {short_repr(found)}, which is no object. Expected an object a line.")
    return found


class _Twice(Exception):
    """A key stands in an object twice; Python takes the last one's value."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return found


def _text(cell: Any, path: Path, row: int, name: str) -> str | None:
    """Return a cell as text; None where it is missing."""
    match cell:
        case None | "":
            return None
        case str():
            if not _is_sound(cell):
                raise DataError(f"{path} row {row}, column {name!r}: half of a pair of surrogates. Mend it.")
            return cell
        case bool() | int() | float():
            return json.dumps(cell)
    raise DataError(
        f"{path} row {row}, column {name!r}: {short_repr(cell)}. Expected text or a number: name another column."
    )


def _is_sound(text: str) -> bool:
    """Whether a text can be written: an escape such as \\ud800 alone stands for no character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _number(cell: Any, path: Path, row: int, name: str) -> float | None:
    """Return a cell as a number; None where it is missing."""
    if cell is None:
        return None
    if isinstance(cell, bool | int | float) and (cell != cell or abs(cell) < LARGEST):  # NaN differs from itself
        return float(cell)
    raise DataError(
        f"{path} row {row}, column {name!r}: not a finite number: {short_repr(cell)}. Mend it or leave it out."
    )

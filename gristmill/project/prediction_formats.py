"""Formats of predictions: the table that `predict` returns, as the bytes of a file."""

import json
import math
from base64 import b64decode
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gristmill.errors import RequestError
from gristmill.monitoring.prediction_columns import position_of_reasons
from gristmill.util.files import write_atomically

if TYPE_CHECKING:
    import pandas as pd


_JPEG = "data:image/jpeg;base64,"


class Format(StrEnum):
    """Format of predictions; the values are the suffixes of its files."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"


def encode(frame: "pd.DataFrame", form: Format) -> bytes:
    """Return predictions as the content of a file.

    Raises:
        RequestError: a column cannot be written as Parquet.
    """
    match form:
        case Format.PARQUET:
            import pyarrow as pa

            try:
                return frame.to_parquet(index=False)
            except pa.ArrowException as error:  # a column of a JSON Lines file that holds text and numbers
                raise RequestError(f"--format parquet: {error.args[0]}. Use csv, json or jsonl.") from None
        case Format.CSV:
            return frame.to_csv(index=False).encode()
        case Format.JSON | Format.JSONL:
            rows = json_rows(frame)
            return (
                "\n".join(map(json.dumps, rows)) if form is Format.JSONL else json.dumps(rows, indent=2)
            ).encode() + b"\n"


def save_pictures(frame: "pd.DataFrame", folder: Path) -> "pd.DataFrame":
    """Write pictures that explain predictions into a folder, `1.jpg` for the first row; return the rows with paths."""

    def save(number: int, cell: Any) -> Any:
        if not isinstance(cell, str) or not cell.startswith(_JPEG):
            return cell
        folder.mkdir(exist_ok=True)
        path = folder / f"{number}.jpg"
        write_atomically(path, b64decode(cell.removeprefix(_JPEG)))
        return str(path)

    if (first := position_of_reasons(frame)) is None:
        return frame
    saved = frame.copy()
    for name in frame.columns[first:]:
        saved[name] = [save(number, cell) for number, cell in enumerate(frame[name], start=1)]
    return saved


def json_rows(frame: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return rows as JSON values in full precision: times as text, what is missing or not finite as None."""
    import pandas as pd

    columns: dict[Any, pd.Series[Any]] = {}
    for name, column in frame.items():
        values = column.astype("float64") if column.dtype == "float32" else column
        values = values.map(lambda time: time.isoformat(), na_action="ignore") if column.dtype.kind == "M" else values
        known = column.notna()
        if column.dtype.kind == "f":
            known &= ~column.isin([math.inf, -math.inf])
        columns[name] = values.astype(object).where(known, None)
    rows: list[Any] = pd.DataFrame(columns).to_dict("records")
    return rows

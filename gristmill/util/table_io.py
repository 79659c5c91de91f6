"""Parquet as gristmill writes and reads it: zstd, page checksums, checked on reading."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def write_table(path: Path, frame: "pd.DataFrame") -> None:
    """Write a frame's columns, without its index, so that equal content gives equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def read_table(path: Path, columns: list[str] | None = None) -> "pd.DataFrame":
    """Read a table that `write_table` wrote, or some columns; a page whose checksum does not hold raises `OSError`."""
    import pyarrow.parquet as pq

    frame: pd.DataFrame = pq.read_table(path, columns=columns, page_checksum_verification=True).to_pandas()
    return frame


def write_document(path: Path, value: Any) -> None:
    """Write a JSON document into an artifact; its keys stay in their order."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_document(path: Path) -> Any:
    """Read a JSON document of an artifact."""
    return json.loads(path.read_text(encoding="utf-8"))

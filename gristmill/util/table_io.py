"""Parquet tables (zstd, page checksums) and JSON documents of artifacts."""

import json
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def write_table(path: Path, frame: "pd.DataFrame") -> None:
    """Write the columns of a frame, without its index, so that equal content gives equal bytes."""
    write_tables(path, [frame])


def write_tables(path: Path, frames: Iterable["pd.DataFrame"]) -> None:
    """Write one table from frames with the same columns, at least one, so that only one need be in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with ExitStack() as stack:
        writer: Any = None
        for frame in frames:
            table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
            if writer is None:
                opened = pq.ParquetWriter(path, table.schema, compression="zstd", write_page_checksum=True)
                writer = stack.enter_context(opened)
            writer.write_table(table)


def read_table(path: Path, columns: list[str] | None = None, **equal: str) -> "pd.DataFrame":
    """Read a table, or some columns and the rows in which columns equal a value.

    Raises:
        OSError: a page does not match its checksum.
    """
    import pyarrow.parquet as pq

    filters = [(name, "==", value) for name, value in equal.items()] or None
    table = pq.read_table(path, columns=columns, filters=filters, page_checksum_verification=True)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def write_document(path: Path, value: Any) -> None:
    """Write a JSON document into an artifact, with its keys in their order."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_document(path: Path) -> Any:
    """Read a JSON document of an artifact."""
    return json.loads(path.read_text(encoding="utf-8"))

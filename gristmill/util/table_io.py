"""Parquet tables (zstd, page checksums) and JSON documents of artifacts."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def write_table(path: Path, frame: "pd.DataFrame") -> None:
    """Write the columns of a frame, without its index, so that equal content gives equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd", write_page_checksum=True)


def read_table(path: Path, columns: list[str] | None = None) -> "pd.DataFrame":
    """Read a table, or some of its columns; raise `OSError` if a page does not match its checksum."""
    import pyarrow.parquet as pq

    frame: pd.DataFrame = pq.read_table(path, columns=columns, page_checksum_verification=True).to_pandas()
    return frame


def write_document(path: Path, value: Any) -> None:
    """Write a JSON document into an artifact, with its keys in their order."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_document(path: Path) -> Any:
    """Read a JSON document of an artifact."""
    return json.loads(path.read_text(encoding="utf-8"))

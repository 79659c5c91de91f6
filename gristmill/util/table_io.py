"""Parquet tables (zstd, page checksums) and JSON documents of artifacts; cells of a table as text."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

_ROWS_PER_BATCH = 1 << 20  # bounds the memory of rows that are read one batch at a time


def write_table(path: Path, frame: "pd.DataFrame") -> None:
    """Write the columns of a frame, without its index, so that equal content gives equal bytes."""
    write_tables(path, [frame])


def write_tables(path: Path, frames: Iterable["pd.DataFrame"]) -> None:
    """Write one table from frames with the same columns, at least one, so that only one need be in memory."""
    with table_writer(path) as write:
        for frame in frames:
            write(frame)


@contextmanager
def table_writer(path: Path) -> "Iterator[Callable[[pd.DataFrame], None]]":
    """Yield a function that appends a frame to a table; all frames have the same columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with ExitStack() as stack:
        writer: Any = None

        def write(frame: "pd.DataFrame") -> None:
            nonlocal writer
            table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
            if writer is None:
                opened = pq.ParquetWriter(path, table.schema, compression="zstd", write_page_checksum=True)
                writer = stack.enter_context(opened)
            writer.write_table(table)

        yield write


def read_table(path: Path, columns: list[str] | None = None, **equal: str | Sequence[str]) -> "pd.DataFrame":
    """Read a table, or some columns and the rows in which columns equal a value, or one of several.

    Raises:
        OSError: a page does not match its checksum.
    """
    import pyarrow.parquet as pq

    filters = [
        (name, "==", value) if isinstance(value, str) else (name, "in", list(value)) for name, value in equal.items()
    ] or None
    table = pq.read_table(path, columns=columns, filters=filters, page_checksum_verification=True)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def read_first_rows(path: Path, count: int, columns: list[str] | None = None, **equal: str) -> "pd.DataFrame":
    """Read the first rows in which columns equal a value, without holding the others."""
    import pyarrow as pa

    tables: list[pa.Table] = []
    for batch in _batches(path, None if columns is None else list(dict.fromkeys([*columns, *equal]))):
        rows = pa.Table.from_batches([batch])
        for name, value in equal.items():
            rows = rows.filter(pa.compute.equal(rows[name], value))
        tables.append(rows.slice(0, count - sum(map(len, tables))))
        if sum(map(len, tables)) == count:
            break
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return frame if columns is None else frame[columns]


def read_arrays(path: Path, columns: Sequence[str]) -> "dict[str, npt.NDArray[Any]]":
    """Read columns of numbers or truth values as arrays, without holding anything else."""
    import numpy as np
    import pyarrow.parquet as pq

    rows, begin = pq.read_metadata(path).num_rows, 0
    arrays: dict[str, npt.NDArray[Any]] = {}
    for batch in _batches(path, columns):
        for name in columns:
            values = batch.column(name).to_numpy(zero_copy_only=False)
            if name not in arrays:
                arrays[name] = np.empty(rows, values.dtype)
            arrays[name][begin : begin + len(values)] = values
        begin += batch.num_rows
    return arrays


def read_runs(path: Path, column: str) -> "tuple[list[str], npt.NDArray[np.int64]]":
    """Read a column of text whose equal values are adjacent: each value once, and its number of rows."""
    import numpy as np
    import pyarrow.compute as pc

    values: list[str] = []
    counts: list[int] = []
    for batch in _batches(path, [column]):
        runs = pc.run_end_encode(batch.column(0))
        lengths = np.diff(runs.run_ends.to_numpy(), prepend=0).tolist()
        for value, length in zip(runs.values.to_pylist(), lengths, strict=True):
            if values and values[-1] == value:  # the run goes on in this batch
                counts[-1] += length
            else:
                values.append(value)
                counts.append(length)
    return values, np.array(counts, np.int64)


def cell_text(cell: object) -> str:
    """Return a cell that is not missing as text: 3.0 is `3`, booleans are `true` and `false`, midnight is a date."""
    if isinstance(cell, str):
        return cell
    text = str(cell).removesuffix(".0").removesuffix(" 00:00:00")
    return text.lower() if text in ("True", "False") else text


def as_texts(cells: "pd.Series[Any]") -> "pd.Series[str]":
    """Return cells as text; missing ones stay missing."""
    import pandas as pd

    if cells.dtype == "str":
        return cells
    values = cells.to_numpy() if cells.dtype.kind == "f" else cells.astype(object)  # objects have no float32
    texts = [None if missing else cell_text(value) for value, missing in zip(values, cells.isna(), strict=True)]
    return pd.Series(texts, cells.index, "str", cells.name)


def write_document(path: Path, value: Any) -> None:
    """Write a JSON document into an artifact, with its keys in their order."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_document(path: Path) -> Any:
    """Read a JSON document of an artifact."""
    return json.loads(path.read_text(encoding="utf-8"))


def _batches(path: Path, columns: Sequence[str] | None) -> "Iterator[pa.RecordBatch]":
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        yield from file.iter_batches(batch_size=_ROWS_PER_BATCH, columns=None if columns is None else list(columns))

"""Ingest: a source's rows as one table without empty cells, counted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.data_schema.checks import column_violations, refuse
from gristmill.domains.tabular.settings import Ingest, Schema
from gristmill.errors import DataError
from gristmill.sources.rows import Rows
from gristmill.util.table_io import write_document, write_table

_SHOWN = 12  # names of a category whose counts are kept


class TableSource(Protocol):
    """A source that reads columns of a table."""

    def read(self, paths: Sequence[Path], texts: Sequence[str], numbers: Sequence[str]) -> Rows: ...


def ingest(
    *, source: TableSource, ingest: Ingest, out: Path, paths: tuple[Path, ...] = (), schema: Schema | None = None
) -> dict[str, int]:
    """Read the rows, refuse or drop those with an empty cell, and write the others.

    Writes `table.parquet` (float64 numbers, then categories as text, then the float64 target, each under its own
    name) and `summary.json` (columns, counts, statistics).

    Args:
        source: how to read the table.
        ingest: what its columns mean.
        out: folder to write to.
        paths: the located files, if the source reads files.
        schema: what the rows must hold, those with an empty cell among them.

    Returns:
        Counts of rows and of those dropped, if any were.

    Raises:
        DataError: the data does not hold what the settings say, or breaks the schema.
    """
    rows = source.read(paths, ingest.categories, [*ingest.numbers, ingest.target])
    if schema:
        refuse(column_violations(rows.frame, schema.columns, rows.where), schema)
    table = whole_rows(rows, ingest)[[*ingest.numbers, *ingest.categories, ingest.target]]
    dropped = len(rows.frame) - len(table)
    counts = {"rows": len(table)} | ({"dropped": dropped} if dropped else {})
    write_table(out / "table.parquet", table)
    write_document(
        out / "summary.json",
        {
            "target": ingest.target,
            "numbers": ingest.numbers,
            "categories": ingest.categories,
            "counts": counts,
            "statistics": {name: _statistics(table[name]) for name in [ingest.target, *ingest.numbers]},
            "names": {name: _names(table[name]) for name in ingest.categories},
        },
    )
    return counts


def whole_rows(rows: Rows, settings: Ingest) -> pd.DataFrame:
    """Return the rows without an empty cell, their categories as text.

    Raises:
        DataError: see `complete`.
    """
    whole = rows.frame[complete(rows, settings)].copy()
    for name in settings.categories:
        whole[name] = whole[name].convert_dtypes().astype(str)  # integers beside an empty cell had become 3.0
    return whole


def complete(rows: Rows, settings: Ingest) -> npt.NDArray[np.bool_]:
    """Return which rows have no empty cell, (rows,).

    Raises:
        DataError: a row has an empty cell and is not to be dropped, or every row has one.
    """
    empty = rows.frame.isna() | (rows.frame == "")
    incomplete = empty.any(axis=1).to_numpy()
    if incomplete.any() and settings.missing == "error":
        first = int(incomplete.argmax())
        raise DataError(
            f"{rows.where(first)}: column {empty.columns[empty.iloc[first]][0]!r} is empty "
            f"({incomplete.sum()} rows have an empty cell). Fill it, or set ingest.missing = 'drop'."
        )
    if incomplete.all():
        raise DataError(f"{rows.name}: each of the {len(incomplete)} rows has an empty cell. Fill them.")
    found: npt.NDArray[np.bool_] = ~incomplete
    return found


def _statistics(values: "pd.Series[float]") -> dict[str, float]:
    """Return what is worth knowing of a column at a glance."""
    return {
        "mean": float(values.mean()),
        "deviation": float(values.std(ddof=0)),
        "min": float(values.min()),
        "median": float(values.median()),
        "max": float(values.max()),
    }


def _names(values: "pd.Series[str]") -> dict[str, Any]:
    """Return how many names a category has, and how often the most frequent ones stand there."""
    counts = values.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
    return {
        "different": len(counts),
        "most_frequent": {str(name): int(count) for name, count in counts[:_SHOWN].items()},
    }

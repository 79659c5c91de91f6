"""Ingest: the rows of a source as one table without empty cells, with statistics."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.data_schema.checks import check_violations, column_violations
from gristmill.domains.tabular.settings import Ingest, Schema
from gristmill.errors import DataError
from gristmill.sources.quarantine import Quarantine
from gristmill.sources.rows import Rows, TableSource
from gristmill.util.table_io import write_document, write_table

_MAX_NAMES_COUNTED = 12  # of a category, in the summary


def ingest(
    *, source: TableSource, ingest: Ingest, out: Path, paths: tuple[Path, ...] = (), schema: Schema | None = None
) -> dict[str, int]:
    """Read the rows and write those without an empty cell.

    Writes `table.parquet` (float64 numbers, then categories as text, then the float64 target, each under its own
    name) and `summary.json` (columns, counts, statistics). The schema also applies to rows with an empty cell. Rows
    that cannot be used are set aside, up to the share `quarantine`, and listed in `quarantine.csv`.

    Raises:
        DataError: a row has an empty cell that is not allowed, or breaks the schema.
    """
    return Quarantine(source).ingest(ingest.quarantine, out, lambda usable: _ingest(usable, ingest, out, paths, schema))


def _ingest(
    source: Quarantine, ingest: Ingest, out: Path, paths: tuple[Path, ...], schema: Schema | None
) -> dict[str, int]:
    """Write the usable rows, and return their counts."""
    rows = source.read(paths, ingest.categories, [*ingest.numbers, ingest.target])
    if schema:
        check_violations(column_violations(rows.frame, schema.columns, rows.where), schema)
    complete, _ = complete_rows(rows, ingest)
    missing = {name: int(is_empty(rows.frame[name]).sum()) for name in map(str, rows.frame)}
    table = complete[[*ingest.numbers, *ingest.categories, ingest.target]]
    dropped = len(rows.frame) - len(table)
    counts = {"rows": len(table)} | ({"dropped": dropped} if dropped else {}) | source.counts
    write_table(out / "table.parquet", table)
    write_document(
        out / "summary.json",
        {
            "target": ingest.target,
            "numbers": ingest.numbers,
            "categories": ingest.categories,
            "counts": counts,
            "missing": missing,
            "statistics": {name: _statistics(table[name]) for name in [ingest.target, *ingest.numbers]},
            "names": {name: _names(table[name]) for name in ingest.categories},
        },
    )
    return counts


def complete_rows(rows: Rows, settings: Ingest) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    """Return the rows without an empty cell, their categories as text, and a mask of all rows that is true for them.

    Raises:
        DataError: a row has an empty cell and must not be dropped, or every row has one.
    """
    empty = is_empty(rows.frame)
    complete = ~empty.any(axis=1).to_numpy()
    if settings.missing == "error" and not complete.all():
        first = int(complete.argmin())
        raise rows.unusable(
            ~complete,
            f"{rows.where(first)}: column {empty.columns[empty.iloc[first]][0]!r} is empty "
            f"({(~complete).sum()} rows have an empty cell). Fill it, or set ingest.missing = 'drop'.",
            "an empty cell",
        )
    if not complete.any():
        raise DataError(f"{rows.name}: each of the {len(complete)} rows has an empty cell. Fill them.")
    table = rows.frame[complete].copy()
    for name in settings.categories:
        table[name] = table[name].convert_dtypes().astype(str)  # pandas reads integers next to an empty cell as 3.0
    return table, complete


def is_empty(cells: Any) -> Any:
    """Return which cells of a frame or a column are empty."""
    return cells.isna() | (cells == "")


def _statistics(values: "pd.Series[float]") -> dict[str, float]:
    return {
        "mean": float(values.mean()),
        "deviation": float(values.std(ddof=0)),
        "min": float(values.min()),
        "median": float(values.median()),
        "max": float(values.max()),
    }


def _names(values: "pd.Series[str]") -> dict[str, Any]:
    """Return the number of names in a category, and the counts of the most frequent ones."""
    counts = values.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
    return {
        "different": len(counts),
        "most_frequent": {str(name): int(count) for name, count in counts[:_MAX_NAMES_COUNTED].items()},
    }

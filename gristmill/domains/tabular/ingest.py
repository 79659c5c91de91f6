"""Ingest: the rows of a source as one table, with statistics."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gristmill.data_schema.checks import check_violations, class_violations, column_violations
from gristmill.domains.common.classification.labelled import select_classes, sort_labels
from gristmill.domains.tabular.columns import inputs_of, read_columns
from gristmill.domains.tabular.settings import Ingest, Schema
from gristmill.errors import DataError
from gristmill.sources.quarantine import Quarantine
from gristmill.sources.rows import TableSource, UnusableRows
from gristmill.sources.set_names import part_of_cell
from gristmill.util.table_io import write_document, write_table

_MAX_NAMES_COUNTED = 12  # of a category, in the summary


def ingest(
    *, source: TableSource, ingest: Ingest, out: Path, paths: tuple[Path, ...] = (), schema: Schema | None = None
) -> dict[str, int]:
    """Read the rows and write those with a target.

    Writes `table.parquet` (columns as `columns.py` reads them, each under its own name: inputs, the target, metadata),
    `rows.parquet` (`row`: the name of each row in the source) and `summary.json` (columns, classes, counts,
    statistics). The schema also applies to rows without a target. Rows that cannot be used are set aside, up to the
    share `quarantine`, and listed in `quarantine.csv`.

    Raises:
        DataError: a cell cannot be read, no row has a target, an input has the name of a probability, or the rows break
            the schema.
    """
    return Quarantine(source).ingest(ingest.quarantine, out, lambda usable: _ingest(usable, ingest, out, paths, schema))


def _ingest(
    source: Quarantine, ingest: Ingest, out: Path, paths: tuple[Path, ...], schema: Schema | None
) -> dict[str, int]:
    """Write the usable rows, and return their counts."""
    # 1. Read the cells, numbers as numbers.
    is_number = ingest.task == "regression"
    target = [ingest.target]
    texts = [*ingest.categories, *ingest.dates, *ingest.texts, *ingest.metadata, *([] if is_number else target)]
    texts = [name for name in (*texts, *([ingest.part] if ingest.part else [])) if name not in ingest.numbers]
    try:
        rows = source.read(paths, texts, [*ingest.numbers, *(target if is_number else [])])
    except UnusableRows as error:
        if sum(map(len, error.reasons.values())) <= error.total / 2:
            raise
        remedy = "If the column holds names, list it in ingest.categories."
        if f"column {ingest.target!r}" in str(error):
            remedy = 'If the target is a class, set ingest.task = "classification".'
        raise UnusableRows(f"{error} {remedy}", error.reasons, error.total) from None
    known = ~is_empty(rows.frame[ingest.target]).to_numpy(bool)
    cells = read_columns(rows, ingest)
    inputs = inputs_of(ingest)
    classes = [] if is_number else sort_labels(cells.loc[known, ingest.target])
    # 2. Check the columns, the rows and the schema.
    if taken := sorted({*inputs}.intersection(f"p_{name}" for name in classes)):
        raise DataError(
            f"{rows.name}: column {taken[0]!r} has the name of the probability of the class {taken[0][2:]!r}. "
            "Rename it in source.prepare, or remove it from the inputs in [ingest]."
        )
    if schema:
        check_violations(column_violations(rows.frame, schema.columns, rows.where), schema)
    if not known.any():
        raise DataError(
            f"{rows.name}: the target {ingest.target!r} is empty in all {len(known):,} rows. Fill it, or name another "
            "column in ingest.target."
        )
    named_parts = [
        part_of_cell(cell, rows.where(at), str(ingest.part)) if cell else None
        for at, cell in enumerate(cells[ingest.part] if ingest.part else ())
    ]
    without, rarity = int((~known).sum()), dict[str, Any]()
    if classes:
        labels = cells[ingest.target].map({name: label for label, name in enumerate(classes)})
        index = pd.DataFrame({"label": labels, "part": pd.Series(named_parts or None, cells.index, dtype=object)})
        used = select_classes(index[known].astype({"label": np.int64}), classes, ingest, "row", target=ingest.target)
        classes, rarity = used.classes, used.rarity()
        known &= cells.index.isin(used.index.index)
    table = cells[list(dict.fromkeys([*inputs, ingest.target, *cells]))][known]
    by_class = {name: int((table[ingest.target] == name).sum()) for name in classes}
    if schema:
        check_violations(class_violations(by_class, schema.classes), schema)
    # 3. Write the rows with a target, and what they contain.
    of_rare = len(cells) - without - len(table)
    counts = {"rows": len(table), "without_target": without, "of_dropped_classes": of_rare, "classes": len(classes)}
    counts = {name: count for name, count in counts.items() if count} | source.counts
    write_table(out / "table.parquet", table)
    write_table(out / "rows.parquet", pd.DataFrame({"row": rows.ids()})[known])
    roles = {role: getattr(ingest, role) for role in ("numbers", "categories", "dates", "texts")}
    numbers = [*([ingest.target] if is_number else []), *ingest.numbers]
    summary = rarity | {
        "target": ingest.target,
        "classes": classes,
        **roles,
        "part": ingest.part,
        "counts": counts,
        "missing": {name: int(is_empty(table[name]).sum()) for name in (ingest.target, *inputs)},
        "statistics": {name: _summarise_numbers(table[name]) for name in numbers if table[name].notna().any()},
        "names": {name: _count_names(table[name]) for name in ingest.categories},
        "class_counts": by_class,
    }
    write_document(out / "summary.json", summary)
    return counts


def is_empty(cells: Any) -> Any:
    """Return which cells of a frame or a column are empty."""
    return cells.isna() | (cells == "")


def _summarise_numbers(values: "pd.Series[float]") -> dict[str, float]:
    """Return statistics of the numbers of a column that are not missing."""
    return {
        "mean": float(values.mean()),
        "deviation": float(values.std(ddof=0)),
        "min": float(values.min()),
        "median": float(values.median()),
        "max": float(values.max()),
    }


def _count_names(values: "pd.Series[str]") -> dict[str, Any]:
    """Return the number of names in a category, and the counts of the most frequent ones."""
    counts = values[values != ""].value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable")
    return {
        "different": len(counts),
        "most_frequent": {str(name): int(count) for name, count in counts[:_MAX_NAMES_COUNTED].items()},
    }

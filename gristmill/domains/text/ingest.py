"""Ingest: a source's labelled texts as one checked table."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.data_schema.checks import (
    bound_violations,
    check_violations,
    class_violations,
    column_violations,
)
from gristmill.domains.common.classification.labelled import count_by_class, name_classes, select_classes
from gristmill.domains.text.settings import Ingest, Schema
from gristmill.errors import DataError, count_of
from gristmill.sources.quarantine import Quarantine
from gristmill.sources.rows import FixedColumns, Rows, TableSource
from gristmill.sources.set_names import part_of_cell
from gristmill.util.table_io import as_texts, write_document, write_table

RESERVED_COLUMNS = ("id", "text", "label", "part", "tokens", "characters", "length")  # written by the stages
RENAME_PREFIX = "source_"  # added to a metadata column with a reserved name


def ingest(
    *, source: TableSource, ingest: Ingest, out: Path, paths: tuple[Path, ...] = (), schema: Schema | None = None
) -> dict[str, int]:
    """Read the texts and their labels, drop or reject rows without either, and write the others.

    Writes
    - `texts.parquet`, one row per text in the source's order: `id` (the source's, or the row, after the file if there
      are several), `text` (unchanged), `label` (position of the class), `part` (the source's, or missing), and the
      metadata as text; a metadata column with a reserved name is renamed to `source_id`, ….
    - `summary.json`: classes, counts by class and part, rare classes, and numbers of repeated texts and dropped rows.

    The schema applies to all rows, including dropped ones. Rows that cannot be used are set aside, up to the share
    `quarantine`, and listed in `quarantine.csv`.

    Raises:
        DataError: the data does not match the settings or the schema, or is too small to train on.
    """
    # The columns of texts, labels, parts and ids; those of a source with fixed columns have known names.
    known = source.columns if isinstance(source, FixedColumns) else ()
    part = ingest.part or ("part" if "part" in known else None)
    name = next((column for column in ("id", "file") if column in known), None)
    columns = {"text": ingest.text, "label": ingest.label, "part": part, "id": name}
    roles = {role: column for role, column in columns.items() if column}
    return Quarantine(source).ingest(
        ingest.quarantine, out, lambda usable: _ingest(usable, roles, ingest, out, paths, schema)
    )


def _ingest(
    source: Quarantine, roles: dict[str, str], ingest: Ingest, out: Path, paths: tuple[Path, ...], schema: Schema | None
) -> dict[str, int]:
    """Write the usable texts, and return their counts."""
    # 1. Read the columns, and check which rows are complete.
    rows = source.read(paths, list(dict.fromkeys([*roles.values(), *ingest.metadata])), [])
    columns = (ingest.text, ingest.label)
    whole = complete_rows(rows, columns, ingest.missing, "no text or no label", "set ingest.missing = 'drop'")
    frame, texts = rows.frame, _as_text(rows.frame[ingest.text])
    check_lengths(rows, texts, ingest.max_characters, ", or set ingest.max_characters higher")
    # 2. Build the table of these rows.
    names, classes = name_classes(_as_text(frame[ingest.label])[whole], ingest.names, ingest.label)
    parts: list[str | None] | None = None
    if "part" in roles:  # None where the cell is empty
        cells = frame[roles["part"]]
        empty = cells.isna() | (cells == "")
        parts = [
            None if is_empty else part_of_cell(str(cell), rows.where(at), roles["part"])
            for at, (cell, is_empty) in enumerate(zip(cells, empty, strict=True))
        ]
    table = pd.DataFrame(
        {
            "id": frame[roles["id"]].astype("str").to_numpy() if "id" in roles else rows.ids(),
            "text": texts.to_numpy(),
            "part": pd.Series(parts, range(len(frame)), dtype="str"),
        }
    )[whole].reset_index(drop=True)
    table.insert(2, "label", names.map({name: label for label, name in enumerate(classes)}).to_numpy(np.int64))
    for name in ingest.metadata:
        renamed = RENAME_PREFIX + name if name in RESERVED_COLUMNS else name
        if renamed != name and renamed in ingest.metadata:
            raise DataError(
                f"ingest.metadata names the columns {name!r}, which is reserved and becomes {renamed!r}, and "
                f"{renamed!r}. Leave one out."
            )
        table[renamed] = _as_text(frame[name])[whole].to_numpy()
    # 3. Check all rows, including those without text or label, against the schema.
    used = select_classes(table, classes, ingest, "text")
    if schema:
        violations = (
            column_violations(frame, schema.columns, rows.where),
            bound_violations("characters", texts.str.len(), schema.characters, rows.where),
            class_violations(count_by_class(used.index, used.classes), schema.classes),
        )
        check_violations(chain.from_iterable(violations), schema)
    # 4. Write it, and what was left out.
    kept = used.index.reset_index(drop=True)
    write_table(out / "texts.parquet", kept)
    left_out = {"repeated": int(kept["text"].duplicated().sum()), "dropped": int((~whole).sum())}
    write_document(out / "summary.json", used.summary() | left_out)
    left_out["of_dropped_classes"] = len(table) - len(kept)
    counts = {"texts": len(kept), "classes": len(used.classes)} | left_out | source.counts
    return {name: count for name, count in counts.items() if count}


def _as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column as text; categories keep their order."""
    return column if isinstance(column.dtype, pd.CategoricalDtype) else as_texts(column)


def complete_rows(rows: Rows, columns: Iterable[str], missing: str, lack: str, remedy: str) -> npt.NDArray[np.bool_]:
    """Return which rows have a value in all columns; raise if there is none, or if others must not be dropped."""
    cells = rows.frame[list(dict.fromkeys(columns))]
    blank = cells.apply(lambda column: column.isna() | (column.astype("str").str.strip() == ""))
    without = blank.any(axis=1).to_numpy(np.bool_)
    if without.any() and missing == "error":
        first = int(without.argmax())
        raise rows.unusable(
            without,
            f"{rows.where(first)}: column {blank.columns[blank.iloc[first]][0]!r} is empty ({without.sum()} of "
            f"{len(without)} rows have {lack}). Fill it, or {remedy}.",
            lack,
        )
    if without.all():
        raise DataError(f"{rows.name}: each of the {len(without)} rows has {lack}. Fill them.")
    return np.asarray(~without)


def check_lengths(rows: Rows, texts: "pd.Series[Any]", limit: int, remedy: str = "") -> None:
    """Check that no text has more than `limit` characters."""
    lengths = texts.str.len()
    long = (lengths > limit).to_numpy(np.bool_, na_value=False)
    if long.any():
        first = int(long.argmax())
        raise rows.unusable(
            long,
            f"{rows.where(first)}: column {texts.name!r} has {int(lengths.iloc[first]):,} characters, more than "
            f"ingest.max_characters = {limit:,} ({count_of(long.sum(), 'such texts')}). Shorten it{remedy}.",
            f"more than {limit:,} characters",
        )

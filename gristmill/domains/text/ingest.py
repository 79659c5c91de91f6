"""Ingest: a source's labelled texts as one checked table."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.data_schema.checks import (
    Violation,
    bound_violations,
    check_violations,
    class_violations,
    column_violations,
)
from gristmill.domains.common.classification.labelled import check_classes, count_by_class, name_classes
from gristmill.domains.text.settings import Ingest, Schema
from gristmill.errors import DataError, count_of
from gristmill.sources.parts import part_of_cell
from gristmill.sources.quarantine import Quarantine
from gristmill.sources.rows import FixedColumns, Rows, TableSource
from gristmill.util.cell_text import as_texts
from gristmill.util.table_io import write_document, write_table

RESERVED_COLUMNS = ("id", "text", "label", "part", "tokens", "characters", "length")  # written by the stages
RENAME_PREFIX = "source_"  # added to a metadata column with a reserved name

_ID_COLUMNS = ("id", "file")  # columns that identify a text

Mask = npt.NDArray[np.bool_]  # (rows,)


def ingest(
    *, source: TableSource, ingest: Ingest, out: Path, paths: tuple[Path, ...] = (), schema: Schema | None = None
) -> dict[str, int]:
    """Read the texts and their labels, drop or reject rows without either, and write the others.

    Writes
    - `texts.parquet`, one row per text in the source's order: `id` (the source's, or the row, after the file if there
      are several), `text` (unchanged), `label` (position of the class), `part` (the source's, or missing), and the
      metadata as text; a metadata column with a reserved name is renamed to `source_id`, ….
    - `summary.json`: classes, counts by class and part, and the numbers of repeated texts and dropped rows.

    The schema applies to all rows, including dropped ones. Rows that cannot be used are set aside, up to the share
    `quarantine`, and listed in `quarantine.csv`.

    Raises:
        DataError: the data does not match the settings or the schema, or is too small to train on.
    """
    roles = _roles(source, ingest)
    return Quarantine(source).ingest(
        ingest.quarantine, out, lambda usable: _ingest(usable, roles, ingest, out, paths, schema)
    )


def _ingest(
    source: Quarantine, roles: dict[str, str], ingest: Ingest, out: Path, paths: tuple[Path, ...], schema: Schema | None
) -> dict[str, int]:
    """Write the usable texts, and return their counts."""
    rows = source.read(paths, list(dict.fromkeys([*roles.values(), *ingest.metadata])), [])
    columns = (ingest.text, ingest.label)
    whole = complete_rows(rows, columns, ingest.missing, "no text or no label", "set ingest.missing = 'drop'")
    frame, texts = rows.frame, _as_text(rows.frame[ingest.text])
    check_lengths(rows, texts, ingest.max_characters, ", or set ingest.max_characters higher")
    names, classes = name_classes(_as_text(frame[ingest.label])[whole], ingest.names, ingest.label)
    table = pd.DataFrame(
        {
            "id": frame[roles["id"]].astype("str").to_numpy() if "id" in roles else rows.ids(),
            "text": texts.to_numpy(),
            "part": pd.Series(_parts(rows, roles["part"]) if "part" in roles else None, range(len(frame)), dtype="str"),
        }
    )[whole].reset_index(drop=True)
    table.insert(2, "label", names.map({name: label for label, name in enumerate(classes)}).to_numpy(np.int64))
    for name, column in _renamed(ingest.metadata).items():
        table[name] = _as_text(frame[column])[whole].to_numpy()
    if schema:
        check_violations(_violations(rows, texts, count_by_class(table, classes), schema), schema)
    check_classes(table, classes, "text")
    write_table(out / "texts.parquet", table)
    found = {"repeated": int(table["text"].duplicated().sum()), "dropped": int((~whole).sum())}
    by_class = {
        "classes": classes,
        "counts": count_by_class(table, classes),
        "parts": {str(part): count_by_class(rows, classes) for part, rows in table.groupby("part")},
    }
    write_document(out / "summary.json", by_class | found)
    counts = {"texts": len(table), "classes": len(classes)} | found | source.counts
    return {name: count for name, count in counts.items() if count}


def _violations(rows: Rows, texts: "pd.Series[Any]", counts: dict[str, int], schema: Schema) -> Iterator[Violation]:
    yield from column_violations(rows.frame, schema.columns, rows.where)
    yield from bound_violations("characters", texts.str.len(), schema.characters, rows.where)
    yield from class_violations(counts, schema.classes)


def _roles(source: TableSource, settings: Ingest) -> dict[str, str]:
    """Return the column of each role: text, label, part and id."""
    known = source.columns if isinstance(source, FixedColumns) else ()
    part = settings.part or ("part" if "part" in known else None)
    name = next((column for column in _ID_COLUMNS if column in known), None)
    roles = {"text": settings.text, "label": settings.label, "part": part, "id": name}
    return {role: column for role, column in roles.items() if column}


def _renamed(metadata: tuple[str, ...]) -> Mapping[str, str]:
    """Return the metadata columns: name in the artifact to name in the source."""
    reserved = set(metadata).intersection(RESERVED_COLUMNS)
    if name := next((name for name in metadata if name in reserved and RENAME_PREFIX + name in metadata), None):
        raise DataError(
            f"ingest.metadata names the columns {name!r}, which is reserved and becomes {RENAME_PREFIX + name!r}, and "
            f"{RENAME_PREFIX + name!r}. Leave one out."
        )
    return {RENAME_PREFIX + name if name in reserved else name: name for name in metadata}


def _as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column as text; categories keep their order."""
    return column if isinstance(column.dtype, pd.CategoricalDtype) else as_texts(column)


def complete_rows(rows: Rows, columns: Iterable[str], missing: str, lack: str, remedy: str) -> Mask:
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
    whole: Mask = ~without
    return whole


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


def _parts(rows: Rows, column: str) -> list[str | None]:
    """Return the part of each row; None where the cell is empty."""
    cells = rows.frame[column]
    empty = (cells.isna() | (cells == "")).tolist()
    return [
        None if is_empty else part_of_cell(str(cell), rows.where(at), column)
        for at, (cell, is_empty) in enumerate(zip(cells, empty, strict=True))
    ]

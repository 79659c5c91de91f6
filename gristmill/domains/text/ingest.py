"""Ingest: a source's labelled texts as one checked table."""

from collections.abc import Iterator, Mapping
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
from gristmill.domains.common.classification.classes import check_classes, count_by_class, quartiles
from gristmill.domains.text.class_names import name_classes
from gristmill.domains.text.settings import Ingest, Schema
from gristmill.errors import DataError, count_such
from gristmill.sources.parts import part_of_cell
from gristmill.sources.rows import FixedColumns, Rows, TableSource
from gristmill.util.table_io import write_document, write_table

RESERVED_COLUMNS = ("id", "text", "label", "part", "tokens", "characters", "length")  # written by the stages
RENAME_PREFIX = "source_"  # added to a metadata column with a reserved name

_MAX_DUPLICATES_LISTED = 5
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
    - `summary.json`: classes, counts, lengths, duplicate texts, and the number of dropped rows.

    Args:
        source: how to read the table.
        ingest: meaning of its columns and limits.
        out: folder to write to.
        paths: the located files, if the source reads files.
        schema: rules for all rows, including dropped ones.

    Returns:
        Counts of texts and classes and, if there are any, of duplicates and dropped rows.

    Raises:
        DataError: the data does not match the settings or the schema, or is too small to train on.
    """
    roles = _roles(source, ingest)
    rows = source.read(paths, list(dict.fromkeys([*roles.values(), *ingest.metadata])), [])
    whole = _whole(rows, ingest)
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
    summary = _summary(table, classes, dropped=int((~whole).sum()))
    write_table(out / "texts.parquet", table)
    write_document(out / "summary.json", summary)
    counts = {"texts": len(table), "classes": len(classes), "repeated": summary["repeated"]["texts"]}
    return {name: count for name, count in (counts | {"dropped": summary["dropped"]}).items() if count}


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
    called = {f"{RENAME_PREFIX}{column}" if column in RESERVED_COLUMNS else column: column for column in metadata}
    if len(called) != len(set(metadata)):
        name = next(
            column for column in metadata if column in RESERVED_COLUMNS and f"{RENAME_PREFIX}{column}" in metadata
        )
        raise DataError(
            f"ingest.metadata names the columns {name!r}, which is reserved and becomes {RENAME_PREFIX + name!r}, and "
            f"{RENAME_PREFIX + name!r}. Leave one out."
        )
    return called


def _as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column as text; integers that became 3.0 because of empty cells are 3 again."""
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype == "str":
        return column
    return column.convert_dtypes().astype("str")


def _whole(rows: Rows, settings: Ingest) -> Mask:
    """Return which rows have a text and a label; raise if others must not be dropped."""
    cells = rows.frame[list(dict.fromkeys([settings.text, settings.label]))]
    blank = cells.apply(lambda column: column.isna() | (column.astype("str").str.strip() == ""))
    without = blank.any(axis=1).to_numpy(np.bool_)
    if without.any() and settings.missing == "error":
        first = int(without.argmax())
        raise DataError(
            f"{rows.where(first)}: column {blank.columns[blank.iloc[first]][0]!r} is empty ({without.sum()} of "
            f"{len(without)} rows have no text or no label). Fill it, or set ingest.missing = 'drop'."
        )
    if without.all():
        raise DataError(f"{rows.name}: each of the {len(without)} rows has no text or no label. Fill them.")
    whole: Mask = ~without
    return whole


def check_lengths(rows: Rows, texts: "pd.Series[Any]", limit: int, remedy: str = "") -> None:
    """Check that no text has more than `limit` characters."""
    lengths = texts.str.len()
    long = (lengths > limit).to_numpy(np.bool_, na_value=False)
    if long.any():
        first = int(long.argmax())
        raise DataError(
            f"{rows.where(first)}: column {texts.name!r} has {int(lengths.iloc[first]):,} characters, more than "
            f"ingest.max_characters = {limit:,} ({count_such(long.sum(), 'text')}). Shorten it{remedy}."
        )


def _parts(rows: Rows, column: str) -> list[str | None]:
    """Return the part of each row; None where the cell is empty."""
    cells = rows.frame[column]
    empty = (cells.isna() | (cells == "")).tolist()
    return [
        None if is_empty else part_of_cell(str(cell), rows.where(at), column)
        for at, (cell, is_empty) in enumerate(zip(cells, empty, strict=True))
    ]


def _summary(table: pd.DataFrame, classes: list[str], dropped: int) -> dict[str, Any]:
    return {
        "classes": classes,
        "counts": count_by_class(table, classes),
        "parts": {str(part): count_by_class(rows, classes) for part, rows in table.groupby("part")},  # the source's
        "lengths": {
            "characters": quartiles(table["text"].str.len()),
            "words": quartiles(pd.Series([len(text.split()) for text in table["text"]])),
        },
        "repeated": _repeated(table),
        "dropped": dropped,
    }


def _repeated(table: pd.DataFrame) -> dict[str, Any]:
    """Return the number of duplicate texts, how many of them have another label, and the ids of the first ones."""
    first = table.groupby("text", sort=False)["label"].transform("first")
    again = table["text"].duplicated()
    groups = table[table["text"].duplicated(keep=False)].groupby("text", sort=False)["id"]
    return {
        "texts": int(again.sum()),
        "other_label": int((again & (table["label"] != first)).sum()),
        "examples": [ids.tolist() for _, ids in groups][:_MAX_DUPLICATES_LISTED],
    }

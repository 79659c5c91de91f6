"""Ingest: a source's labelled texts as one table; what cannot be learnt from is refused by file and row."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.data_schema.checks import Violation, bound_violations, class_violations, column_violations, refuse
from gristmill.domains.common.classification.classes import check_classes, count_by_class, quartiles
from gristmill.domains.text.class_names import name_classes
from gristmill.domains.text.settings import Ingest, Schema
from gristmill.errors import DataError, count_such
from gristmill.sources.parts import part_of_cell
from gristmill.sources.rows import FixedColumns, Rows, TableSource
from gristmill.util.table_io import write_document, write_table

RESERVED_COLUMNS = (
    "id",
    "text",
    "label",
    "part",
    "tokens",
    "characters",
    "length",
)  # columns that the stages write themselves
RENAME_PREFIX = "source_"  # what a column of the metadata begins with that is named like one of those

_SHOWN = 5  # texts that stand there more than once of which the summary names the ids
_NAMED_BY = ("id", "file")  # columns that name a text, where a source has one

Mask = npt.NDArray[np.bool_]  # (rows,)


def ingest(
    *, source: TableSource, ingest: Ingest, out: Path, paths: tuple[Path, ...] = (), schema: Schema | None = None
) -> dict[str, int]:
    """Read the texts and their labels, refuse or drop those without either, and write the others.

    Writes
    - `texts.parquet`, a row a text in the source's order: `id` (of the source, or its row, after its file where there
      are several), `text` (as it was found), `label` (position of the class), `part` (of the source, or missing), and
      the metadata as text, in which a column named like one that a stage writes is called `source_id`, ….
    - `summary.json`: classes, counts, lengths, texts that stand there more than once, and how many were dropped.

    Args:
        source: how to read the table.
        ingest: what its columns mean, and what is refused.
        out: folder to write to.
        paths: the located files, if the source reads files.
        schema: what the rows must hold, those without text or label among them.

    Returns:
        Counts of texts and classes, and of those repeated and dropped, if any were.

    Raises:
        DataError: the data does not hold what the settings say or breaks the schema, or nothing can be learnt from it.
    """
    roles = _roles(source, ingest)
    rows = source.read(paths, list(dict.fromkeys([*roles.values(), *ingest.metadata])), [])
    whole = _whole(rows, ingest)
    frame, texts = rows.frame, _as_text(rows.frame[ingest.text])
    _refuse_long(rows, texts, ingest.max_characters)
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
        refuse(_violations(rows, texts, count_by_class(table, classes), schema), schema)
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
    """Return the columns that make up a text: role to name."""
    known = source.columns if isinstance(source, FixedColumns) else ()
    part = settings.part or ("part" if "part" in known else None)
    name = next((column for column in _NAMED_BY if column in known), None)
    roles = {"text": settings.text, "label": settings.label, "part": part, "id": name}
    return {role: column for role, column in roles.items() if column}


def _renamed(metadata: tuple[str, ...]) -> Mapping[str, str]:
    """Return what each column of the metadata is called, to the name it has in the source."""
    called = {f"{RENAME_PREFIX}{column}" if column in RESERVED_COLUMNS else column: column for column in metadata}
    if len(called) != len(set(metadata)):
        name = next(
            column for column in metadata if column in RESERVED_COLUMNS and f"{RENAME_PREFIX}{column}" in metadata
        )
        raise DataError(
            f"ingest.metadata names the columns {name!r}, which is called {RENAME_PREFIX + name!r} beside those that "
            f"gristmill writes itself, and {RENAME_PREFIX + name!r}. Leave one out."
        )
    return called


def _as_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column as text, in which integers beside an empty cell, which had become 3.0, are 3 again."""
    if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype == "str":
        return column
    return column.convert_dtypes().astype("str")


def _whole(rows: Rows, settings: Ingest) -> Mask:
    """Return which rows have a text and a label; refuse the others where they are not to be dropped."""
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


def _refuse_long(rows: Rows, texts: "pd.Series[Any]", most: int) -> None:
    lengths = texts.str.len()
    long = (lengths > most).to_numpy(np.bool_, na_value=False)
    if long.any():
        first = int(long.argmax())
        raise DataError(
            f"{rows.where(first)}: column {texts.name!r} has {int(lengths.iloc[first]):,} characters, more than "
            f"ingest.max_characters = {most:,} ({count_such(long.sum(), 'text')}). Cut it, or set "
            "ingest.max_characters higher."
        )


def _parts(rows: Rows, column: str) -> list[str | None]:
    """Return the part that each row names; None where its cell is empty."""
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
        "parts": {str(part): count_by_class(rows, classes) for part, rows in table.groupby("part")},  # of the source
        "lengths": {
            "characters": quartiles(table["text"].str.len()),
            "words": quartiles(pd.Series([len(text.split()) for text in table["text"]])),
        },
        "repeated": _repeated(table),
        "dropped": dropped,
    }


def _repeated(table: pd.DataFrame) -> dict[str, Any]:
    """Return how many texts stand there already, how many of them under another label, and the first ones' ids."""
    first = table.groupby("text", sort=False)["label"].transform("first")
    again = table["text"].duplicated()
    groups = table[table["text"].duplicated(keep=False)].groupby("text", sort=False)["id"]
    return {
        "texts": int(again.sum()),
        "other_label": int((again & (table["label"] != first)).sum()),
        "examples": [ids.tolist() for _, ids in groups][:_SHOWN],
    }

"""Ingest: a source's plain texts as they are, but for their line ends."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from gristmill.data_schema.checks import Violation, bound_violations, check_violations
from gristmill.domains.generation.settings import Ingest, Schema
from gristmill.errors import DataError
from gristmill.sources.document import Document, WritingSource
from gristmill.util.table_io import write_document, write_table


def ingest(
    *, source: WritingSource, ingest: Ingest, out: Path, paths: tuple[Path, ...] = (), schema: Schema | None = None
) -> dict[str, int]:
    r"""Read the texts of a source and write them, a line end being `\n` alone, as a network is to write it.

    Writes
    - `texts.parquet`, a row a document in the source's order: `id`, `text`.
    - `summary.json`: counts of documents, characters, lines, different characters, and line ends that were `\r\n` or
      `\r`.

    Args:
        source: yields the texts.
        ingest: what is refused.
        out: folder to write to.
        paths: the located files, if the source reads files.
        schema: how long each text may be.

    Returns:
        Counts of documents and characters, and of line ends replaced, if any were.

    Raises:
        DataError: a text is empty, they are too long in all or break the schema, or one cannot be read.
    """
    rows: list[dict[str, str]] = []
    characters = replaced = 0
    for document in source.documents(paths):
        _refuse_empty(document)
        text = document.text.replace("\r\n", "\n").replace("\r", "\n")
        replaced += document.text.count("\r")
        characters += len(text)
        if characters > ingest.max_characters:
            raise DataError(
                f"{document.where}: with it the texts have {characters:,} characters, more than ingest.max_characters "
                f"= {ingest.max_characters:,}. Take fewer, or set ingest.max_characters higher."
            )
        rows.append({"id": document.id, "text": text})
    if not rows:
        raise DataError("the source holds no texts. Expected at least one.")
    table = pd.DataFrame(rows, dtype="str")
    if schema:
        check_violations(_violations(table, schema), schema)
    write_table(out / "texts.parquet", table)
    write_document(out / "summary.json", {"counts": _counts(table, characters, replaced)})
    counts = {"documents": len(table), "characters": characters, "line_ends_replaced": replaced}
    return {name: count for name, count in counts.items() if count}


def _violations(table: pd.DataFrame, schema: Schema) -> Iterator[Violation]:
    def where(row: int) -> str:
        return f"text {table['id'].iloc[row]!r}"

    return bound_violations("characters", table["text"].str.len(), schema.characters, where)


def _refuse_empty(document: Document) -> None:
    if not document.text.strip():
        raise DataError(f"{document.where}: holds no text. Fill it, or leave it out.")


def _counts(table: pd.DataFrame, characters: int, replaced: int) -> dict[str, Any]:
    return {
        "documents": len(table),
        "characters": characters,
        "lines": sum(text.count("\n") + (not text.endswith("\n")) for text in table["text"]),
        "different_characters": len(set().union(*table["text"])),
        "line_ends_replaced": replaced,
    }

"""Ingest: a source's plain texts with normalised line ends."""

from pathlib import Path

import pandas as pd

from gristmill.data_schema.checks import bound_violations, check_violations
from gristmill.domains.generation.settings import Ingest, Schema
from gristmill.errors import DataError
from gristmill.sources.documents.files import TextFiles
from gristmill.util.table_io import write_document, write_table


def ingest(
    *, source: TextFiles, ingest: Ingest, out: Path, paths: tuple[Path, ...] = (), schema: Schema | None = None
) -> dict[str, int]:
    r"""Read the texts of a source and write them with `\n` as the only line end.

    Writes
    - `texts.parquet`, one row per document in the source's order: `id`, `text`.
    - `summary.json`: counts of documents, characters, lines, different characters and replaced line ends.

    Raises:
        DataError: a text is empty, violates the schema or cannot be read, or all texts together are too long.
    """
    # 1. Read the documents.
    rows: list[dict[str, str]] = []
    characters = replaced = 0
    for document in source.documents(paths):
        if not document.text.strip():
            raise DataError(f"{document.where}: contains no text. Fill it, or leave it out.")
        text = document.text.replace("\r\n", "\n").replace("\r", "\n")
        replaced += document.text.count("\r")
        characters += len(text)
        if characters > ingest.max_characters:
            raise DataError(
                f"{document.where}: the texts up to here have {characters:,} characters, more than "
                f"ingest.max_characters = {ingest.max_characters:,}. Use fewer, or set ingest.max_characters higher."
            )
        rows.append({"id": document.id, "text": text})
    if not rows:
        raise DataError("the source contains no texts. Expected at least one.")
    # 2. Check them against the schema.
    table = pd.DataFrame(rows, dtype="str")
    if schema:
        lengths = table["text"].str.len()
        check_violations(
            bound_violations("characters", lengths, schema.characters, lambda row: f"text {table['id'].iloc[row]!r}"),
            schema,
        )
    # 3. Write them, and count what they contain.
    write_table(out / "texts.parquet", table)
    counts = {
        "documents": len(table),
        "characters": characters,
        "lines": sum(text.count("\n") + (not text.endswith("\n")) for text in table["text"]),
        "different_characters": len(set().union(*table["text"])),
        "line_ends_replaced": replaced,
    }
    write_document(out / "summary.json", {"counts": counts})
    return {name: counts[name] for name in ("documents", "characters", "line_ends_replaced") if counts[name]}

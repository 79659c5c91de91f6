"""Proposed schema for labelled texts."""

from pathlib import Path

from gristmill.data_schema.proposal import (
    SchemaProposal,
    class_rules,
    column_table,
    missing_rule,
    name_rules,
    size_rules,
)
from gristmill.domains.text.ingest import RENAME_PREFIX, RESERVED_COLUMNS
from gristmill.domains.text.settings import Ingest
from gristmill.util.table_io import read_document, read_table


def propose(folder: Path, ingest: Ingest) -> SchemaProposal:
    """Return the rules suggested by the ingest artifact in a folder: lengths, classes and columns."""
    summary = read_document(folder / "summary.json")
    table = read_table(folder / "texts.parquet")
    missing = summary["dropped"] / (len(table) + summary["dropped"])
    proposal = {column_table(name): [missing_rule(missing)] for name in (ingest.text, ingest.label)}
    for name in ingest.metadata:
        cells = table[f"{RENAME_PREFIX}{name}" if name in RESERVED_COLUMNS else name]
        proposal[column_table(name)] = name_rules(cells.dropna(), float(cells.isna().mean()))
    sizes = size_rules(table["text"].str.len(), "of a text")
    return proposal | {"characters": sizes, "classes": class_rules(summary["counts"])}

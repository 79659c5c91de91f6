"""Proposed schema for plain texts."""

from pathlib import Path

from gristmill.data_schema.proposal import SchemaProposal, size_rules
from gristmill.domains.generation.settings import Ingest
from gristmill.util.table_io import read_table


def propose(folder: Path, ingest: Ingest) -> SchemaProposal:
    """Return the rules suggested by the ingest artifact in a folder: the lengths of the texts."""
    table = read_table(folder / "texts.parquet")
    return {"characters": size_rules(table["text"].str.len(), "of a text")}

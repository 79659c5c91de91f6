"""Proposed schema for a table."""

from pathlib import Path

from gristmill.data_schema.proposal import SchemaProposal, column_table, name_rules, number_rules
from gristmill.domains.tabular.settings import Ingest
from gristmill.util.table_io import read_document, read_table


def propose(folder: Path, ingest: Ingest) -> SchemaProposal:
    """Return the rules that the rows in an ingest artifact suggest, column by column."""
    table, counts = read_table(folder / "table.parquet"), read_document(folder / "summary.json")["counts"]
    dropped = counts.get("dropped", 0)
    missing = dropped / (len(table) + dropped)
    numbers = {column_table(name): number_rules(table[name], missing) for name in (ingest.target, *ingest.numbers)}
    return numbers | {column_table(name): name_rules(table[name], missing) for name in ingest.categories}

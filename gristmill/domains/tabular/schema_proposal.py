"""Proposal of a schema for a table."""

from pathlib import Path

from gristmill.data_schema.proposal import Proposal, column, name_lines, number_lines
from gristmill.domains.tabular.settings import Ingest
from gristmill.util.table_io import read_document, read_table


def propose(folder: Path, ingest: Ingest) -> Proposal:
    """Return the rules that the rows in an ingest artifact suggest, column by column."""
    table, counts = read_table(folder / "table.parquet"), read_document(folder / "summary.json")["counts"]
    dropped = counts.get("dropped", 0)
    missing = dropped / (len(table) + dropped)
    numbers = {column(name): number_lines(table[name], missing) for name in (ingest.target, *ingest.numbers)}
    return numbers | {column(name): name_lines(table[name], missing) for name in ingest.categories}

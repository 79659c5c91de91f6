"""The schema that is proposed for a table."""

from pathlib import Path

from gristmill.data_schema.proposal import Proposal, column, name_lines, number_lines
from gristmill.domains.tabular.settings import Ingest
from gristmill.util.table_io import read_document, read_table


def propose(folder: Path, ingest: Ingest) -> Proposal:
    """Return the rules that ingested rows suggest, column by column.

    Args:
        folder: of the ingest artifact.
        ingest: the settings that it was made by.
    """
    table, counts = read_table(folder / "table.parquet"), read_document(folder / "summary.json")["counts"]
    dropped = counts.get("dropped", 0)
    holes = dropped / (len(table) + dropped)
    numbers = {column(name): number_lines(table[name], holes) for name in (ingest.target, *ingest.numbers)}
    return numbers | {column(name): name_lines(table[name], holes) for name in ingest.categories}

"""Proposed schema for a table."""

from pathlib import Path

from gristmill.data_schema.proposal import (
    SchemaProposal,
    class_rules,
    column_table,
    missing_rule,
    name_rules,
    number_rules,
)
from gristmill.domains.tabular.settings import Ingest
from gristmill.util.table_io import read_document, read_table


def propose(folder: Path, ingest: Ingest) -> SchemaProposal:
    """Return the rules that the rows in an ingest artifact suggest, column by column."""
    table, summary = read_table(folder / "table.parquet"), read_document(folder / "summary.json")
    without = summary["counts"].get("without_target", 0)
    missing = {name: count / len(table) for name, count in summary["missing"].items()}
    missing[ingest.target] = without / (len(table) + without)
    proposal: SchemaProposal = {}
    if not summary["classes"]:
        proposal[column_table(ingest.target)] = number_rules(table[ingest.target], missing[ingest.target])
    for name in [name for name in ingest.numbers if table[name].notna().any()]:
        proposal[column_table(name)] = number_rules(table[name].dropna(), missing[name])
    for name in ingest.categories:
        cells = table[name]
        proposal[column_table(name)] = name_rules(cells[cells != ""], missing[name])
    for name in (*ingest.dates, *ingest.texts):
        proposal[column_table(name)] = [missing_rule(missing[name])]
    return proposal | ({"classes": class_rules(summary["class_counts"])} if summary["classes"] else {})

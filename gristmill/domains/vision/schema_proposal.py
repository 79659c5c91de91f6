"""Proposed schema for photos."""

from pathlib import Path

from gristmill.data_schema.proposal import SchemaProposal, class_rules, size_rules
from gristmill.domains.vision.settings import Ingest
from gristmill.util.table_io import read_document, read_table


def propose(folder: Path, ingest: Ingest) -> SchemaProposal:
    """Return the rules that the photos in an ingest artifact suggest: their sizes and their classes."""
    summary, index = read_document(folder / "summary.json"), read_table(folder / "index.parquet")
    sizes = {name: size_rules(index[name], "pixels") for name in ("width", "height")}
    return sizes | {"classes": class_rules(summary["counts"])}

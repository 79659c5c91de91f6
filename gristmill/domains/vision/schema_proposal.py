"""The schema that is proposed for photos."""

from pathlib import Path

from gristmill.data_schema.proposal import SchemaProposal, class_rules, size_rules
from gristmill.domains.vision.settings import Ingest
from gristmill.util.table_io import read_document, read_table


def propose(folder: Path, ingest: Ingest) -> SchemaProposal:
    """Return the rules that ingested photos suggest: their sizes and their classes.

    Args:
        folder: of the ingest artifact.
        ingest: the settings that it was made by.
    """
    summary, index = read_document(folder / "summary.json"), read_table(folder / "index.parquet")
    sizes = {name: size_rules(index[name], "pixels") for name in ("width", "height")}
    return sizes | {"classes": class_rules(summary["counts"])}

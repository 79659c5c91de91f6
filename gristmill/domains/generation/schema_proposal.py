"""The schema that is proposed for texts to go on with."""

from pathlib import Path

from gristmill.data_schema.proposal import SchemaProposal, size_rules
from gristmill.domains.generation.settings import Ingest
from gristmill.util.table_io import read_table


def propose(folder: Path, ingest: Ingest) -> SchemaProposal:
    """Return the rules that ingested texts suggest: their lengths.

    Args:
        folder: of the ingest artifact.
        ingest: the settings that it was made by.
    """
    table = read_table(folder / "texts.parquet")
    return {"characters": size_rules(table["text"].str.len(), "of a text")}

"""Proposed schema for time series."""

from pathlib import Path

import pandas as pd

from gristmill.data_schema.proposal import SchemaProposal, SchemaRule, column_table, name_rules, number_rules
from gristmill.domains.timeseries.settings import Ingest
from gristmill.util.table_io import read_document, read_table


def propose(folder: Path, ingest: Ingest) -> SchemaProposal:
    """Return proposed rules for the frequency and each column, from the folder and the settings of ingest."""
    summary = read_document(folder / "summary.json")
    series = read_table(folder / "series.parquet")
    counts = summary["counts"]
    holes = sum(counts.get(name, 0) for name in ("filled", "dropped", "empty_at_the_ends"))
    share = holes / (holes + len(series) - counts.get("filled", 0))
    tables = [series, read_table(folder / "future.parquet")] if ingest.known else [series]
    proposal = {"": [SchemaRule("frequency", summary["frequency"], "of the times")]}
    if len(ingest.series) == 1:
        proposal[column_table(ingest.series[0])] = name_rules(series["unique_id"], 0.0)
    for name in (*ingest.target, *ingest.inputs, *ingest.known):
        values = pd.concat([table[name] for table in tables if name in table])
        proposal[column_table(name)] = number_rules(values, share)
    return proposal

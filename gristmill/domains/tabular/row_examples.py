"""Rows of a table as examples in a report on a classifier."""

from pathlib import Path

import pandas as pd

from gristmill.domains.common.classification import examples
from gristmill.domains.tabular.dataset import Prepared
from gristmill.errors import count_of
from gristmill.settings.messages import format_number
from gristmill.util.table_io import write_table

_MAX_COLUMNS = 8
_MAX_CHARACTERS = 40  # of a cell


def write(data: Prepared, test: pd.DataFrame, wrong_labels: pd.DataFrame, out: Path) -> None:
    """Write `examples.parquet`: rows of the test set that the report shows, and likely wrong labels."""
    shown = examples.pick_examples(test, wrong_labels)
    texts = [_described(data, row) for row in data.positions(shown["id"])]
    write_table(out / examples.FILE, shown.assign(text=texts))


def _described(data: Prepared, row: int) -> str:
    """Return the cells of a row: `age 42, class 3rd`."""
    cells = data.table.iloc[row]
    parts = []
    for name in data.layout.columns[:_MAX_COLUMNS]:
        value = cells[name]
        text = format_number(value) if isinstance(value, float) and not pd.isna(value) else str(value)
        text = "–" if text in ("", "nan") else text
        parts.append(f"{name} {text if len(text) <= _MAX_CHARACTERS else text[:_MAX_CHARACTERS] + '…'}")
    more = len(data.layout.columns) - _MAX_COLUMNS
    return ", ".join(parts) + (f", and {count_of(more, 'more columns')}" if more > 0 else "")

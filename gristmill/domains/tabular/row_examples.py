"""Rows of a table as examples in a report on a classifier."""

import pandas as pd

from gristmill.domains.tabular.dataset import Prepared
from gristmill.errors import count_of
from gristmill.settings.messages import format_number

_MAX_COLUMNS = 8
_MAX_CHARACTERS = 40  # of a cell


def show(data: Prepared, shown: pd.DataFrame) -> pd.DataFrame:
    """Return examples with a column `text`, the cells of their rows."""
    return shown.assign(text=[_described(data, row) for row in data.positions(shown["id"])])


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

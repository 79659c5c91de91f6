"""Columns of pandas tables whose names come from users."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def with_columns(table: "pd.DataFrame", columns: Mapping[str, Any]) -> "pd.DataFrame":
    """Return a copy with new or replaced columns; unlike `assign`, for all names, such as `self`."""
    copy = table.copy(deep=False)
    for name, values in columns.items():
        copy[name] = values
    return copy

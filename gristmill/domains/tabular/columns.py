"""Cells of a table, as the roles of their columns need them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.tabular.settings import Ingest
from gristmill.errors import short_repr
from gristmill.sources.rows import Rows
from gristmill.util.table_io import as_texts

_HOUR, _SIXTY = "([01][0-9]|2[0-3])", "[0-5][0-9]"
_DATE = rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]{_HOUR}:{_SIXTY}(:{_SIXTY}(\.[0-9]+)?)?(Z|[+-]{_HOUR}:?{_SIXTY})?)?"


def inputs_of(settings: Ingest) -> list[str]:
    """Return the columns to predict from."""
    return [*settings.numbers, *settings.categories, *settings.dates, *settings.texts]


def read_columns(rows: Rows, settings: Ingest) -> pd.DataFrame:
    """Return the columns of rows by their roles, with the index of the rows.

    Numbers are float64, with NaN for an empty cell. Categories, dates, texts and further columns are text, with "" for
    an empty cell.

    Raises:
        UnusableRows: a cell in a column of dates is not an ISO date.
    """
    numbers = {*settings.numbers, *([settings.target] if settings.task == "regression" else [])}
    frame = rows.frame
    table = pd.DataFrame({name: frame[name] if name in numbers else as_text(frame[name]) for name in map(str, frame)})
    for name in settings.dates:
        if name not in table:
            continue
        cells = table[name]
        bad: npt.NDArray[np.bool_] = ~((cells == "") | are_dates(cells)).to_numpy(bool)
        if bad.any():
            first = int(bad.argmax())
            raise rows.unusable(
                bad,
                f"{rows.where(first)}, column {name!r}: {short_repr(cells.iloc[first])} is not an ISO date "
                f"({bad.sum():,} of {len(bad):,} cells). Expected dates such as 2024-03-01 or 2024-03-01T16:30; "
                "convert others in source.prepare, or read the column as a category.",
                "not an ISO date",
            )
    return table


def as_text(cells: "pd.Series[Any]") -> "pd.Series[str]":
    """Return cells as text, "" for an empty one."""
    return as_texts(cells).fillna("").astype(object)


def are_dates(cells: "pd.Series[str]") -> "pd.Series[bool]":
    """Return which cells are ISO dates of the calendar, with a time of the day or without."""
    written = cells.str.fullmatch(_DATE)
    return written & pd.to_datetime(cells.where(written).str[:10], format="%Y-%m-%d", errors="coerce").notna()

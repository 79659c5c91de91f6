"""Parts of dates as numbers: year, month, weekday, hour and days since 1970. `date_layers.py` is the same in Keras."""

from typing import Any

import numpy as np
import pandas as pd

DATE_PARTS = ("year", "month", "weekday", "hour", "day")
"""Parts of a date: weekday 0 is Monday; `day` is the number of days since 1970-01-01."""


def part_names(column: str) -> list[str]:
    """Return the names of the numbers of a column of dates."""
    return [f"{column} ({part})" for part in DATE_PARTS]


def date_numbers(cells: "pd.Series[str]") -> pd.DataFrame:
    """Return the parts of ISO dates, NaN where a cell is empty."""
    text = cells.replace("", None)
    days = pd.to_datetime(text.str[:10]).to_numpy("datetime64[D]")
    found = pd.DatetimeIndex(days)
    hours = text.str[11:13].replace("", "0").astype(float)
    numbers = (found.year, found.month, found.day_of_week, hours, np.where(found.isna(), np.nan, days.astype(np.int64)))
    columns: dict[str, Any] = {
        name: np.asarray(values, np.float64) for name, values in zip(part_names(str(cells.name)), numbers, strict=True)
    }
    return pd.DataFrame(columns, cells.index)

"""Cells of a table as text. The text of a value does not depend on the other values of its column."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def cell_text(cell: object) -> str:
    """Return a cell that is not missing as text: 3.0 is `3`, booleans are `true` and `false`, midnight is a date."""
    if isinstance(cell, str):
        return cell
    text = str(cell).removesuffix(".0").removesuffix(" 00:00:00")
    return text.lower() if text in ("True", "False") else text


def as_texts(cells: "pd.Series[Any]") -> "pd.Series[str]":
    """Return cells as text; missing ones stay missing."""
    import pandas as pd

    if cells.dtype == "str":
        return cells
    values = cells.to_numpy() if cells.dtype.kind == "f" else cells.astype(object)  # objects have no float32
    texts = [None if missing else cell_text(value) for value, missing in zip(values, cells.isna(), strict=True)]
    return pd.Series(texts, cells.index, "str", cells.name)

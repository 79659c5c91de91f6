"""Tables of scores: a row for each part, forecaster and group of examples, and a column for each metric."""

import pandas as pd

from gristmill.runs.scores import ByPart

LABELS = ("part", "forecaster", "by", "group", "examples")  # columns that are not metrics


def scores_by_part(table: pd.DataFrame) -> dict[str, ByPart]:
    """Return the scores of whole parts, by forecaster, part and metric."""
    scored: dict[str, ByPart] = {}
    for row in table[table["by"] == "all"].to_dict("records"):
        values = {str(key): None if pd.isna(value) else value for key, value in row.items() if key not in LABELS}
        scored.setdefault(row["forecaster"], {})[row["part"]] = values
    return scored

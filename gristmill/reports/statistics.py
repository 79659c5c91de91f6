"""Statistics of the columns of the data, in a report."""

from typing import Any

from gristmill.reports.sections import Table
from gristmill.settings.messages import MISSING, format_numbers


def statistics_table(title: str, summary: dict[str, Any]) -> Table:
    """Return the statistics of each column of numbers in ingest's summary, the target first."""
    columns = summary["statistics"]
    names = list(next(iter(columns.values())))
    rows = [
        [name, missing_count(summary, name), *format_numbers([values[key] for key in names])]
        for name, values in columns.items()
    ]
    return Table(title, ["", "missing", *(name.replace("_", " ") for name in names)], rows)


def missing_count(summary: dict[str, Any], column: str) -> str:
    """Return the number of empty cells of a column, which artifacts of earlier versions do not have."""
    missing = summary.get("missing", {})
    return f"{missing[column]:,}" if column in missing else MISSING

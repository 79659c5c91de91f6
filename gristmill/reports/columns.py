"""Columns of the data in a report: their statistics, and the permutation importance of features."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gristmill.reports.scores import metric_name
from gristmill.reports.sections import Section, Table
from gristmill.settings.number_text import MISSING, format_number, format_numbers
from gristmill.util.table_io import read_document


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


def importance_sections(file: Path) -> Iterator[Section]:
    """Yield the importance of each feature; nothing without the file, which evaluate writes for several features."""
    if not file.exists():
        return
    ranking = read_document(file)
    metric, error, features = metric_name(ranking["metric"]), ranking["error"], ranking["features"]
    note = (
        f"Rise of the {metric} on the {ranking['part']} set ({format_number(error)} of {ranking['examples']:,} "
        f"{ranking['of']}) when one feature is shuffled: mean of {ranking['repeats']} shuffles, and interval by the "
        f"bootstrap over the {ranking['of']}. If the interval contains 0, the rise could be chance. "
        "About 0 means that the model does not need the feature. It may still be informative: correlated features "
        "share their information, so each looks unimportant. Shuffling also creates examples that never occur."
    )
    # The error is among the numbers, so that rounding errors do not ask for more decimals.
    # Artifacts of earlier versions have no interval.
    values = [feature.get(key) for feature in features for key in ("rise", "low", "high")]
    shown = format_numbers([error, *values], digits=2, sign=True)[1:]
    rises, lows, highs = shown[::3], shown[1::3], shown[2::3]
    intervals = [f"{low} to {high}" if low != MISSING else MISSING for low, high in zip(lows, highs, strict=True)]
    shares = [f"{feature['rise'] / error:+.0%}" if error else MISSING for feature in features]
    names = [feature["feature"] for feature in features]
    headings = ["feature", f"rise of {metric}", f"{ranking.get('level', 0.95):.0%} interval", f"of the {metric}"]
    table = Table.of_columns("", headings, [names, rises, intervals, shares])
    yield Section("Importance of the features", note, tables=[table])

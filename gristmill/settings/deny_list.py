"""The deny-list: columns that no pipeline of a project may name."""

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from gristmill.settings.base import Settings, columns


def denied_columns(where: str, tables: Mapping[str, Settings], patterns: Iterable[str]) -> Iterator[str]:
    """Yield a line for each column that a pipeline names though a pattern of the deny-list matches it.

    Args:
        where: name of the pipeline's table.
        tables: of the pipeline.
        patterns: such as `customer_*`, in which capitals do not matter.
    """
    named = ((table, *column) for table, settings in tables.items() for column in columns(settings))
    for table, key, column in named:
        if pattern := next((each for each in patterns if fnmatchcase(column.lower(), each.lower())), None):
            yield (
                f"[{where}.{table}] {key}: the column {column!r} is denied by {pattern!r} in [defaults] deny. "
                "Name another, or leave it out."
            )

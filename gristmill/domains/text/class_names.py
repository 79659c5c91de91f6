"""The names of classes, and their order."""

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from gristmill.errors import DataError, short_repr

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_DIGITS = re.compile(r"(\d+)", re.ASCII)
_LONGEST = 4000  # digits that Python makes a number of
_SHOWN = 12  # labels that a message names


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Return different labels sorted as people do: numbers by value, `class 2` before `class 10`."""
    found = set(labels)
    if all(map(_NUMBER.fullmatch, found)):
        return sorted(found, key=lambda label: (float(label), label))
    return sorted(found, key=lambda label: ([_step(part) for part in _DIGITS.split(label)], label))


def _step(part: str) -> tuple[int, str]:
    return (int(part[:_LONGEST]) if _DIGITS.fullmatch(part) else -1, part)


def name_classes(labels: "pd.Series[str]", names: Mapping[str, str], column: str) -> "tuple[pd.Series[str], list[str]]":
    """Return the class of each example, and the classes in their order.

    The order is the source's own where it has one, as a categorical column, else that of `sort_labels`; names take the
    places of the labels that they stand for, and two labels may bear one name.

    Args:
        labels: as they stand in the data.
        names: label to the name to show.
        column: what the labels' column is called, for the error.

    Raises:
        DataError: a name is given for a label that no example has.
    """
    own = isinstance(labels.dtype, pd.CategoricalDtype)
    there = labels.cat.categories.tolist() if own else sort_labels(labels)
    if strange := [label for label in names if label not in there]:
        raise DataError(
            f"ingest.names: no text has {short_repr(strange[0])} in the column {column!r}. "
            f"There are: {', '.join(map(short_repr, there[:_SHOWN]))}{', …' * (len(there) > _SHOWN)}."
        )
    shown_as = {label: names.get(label, label) for label in there}
    return labels.astype("str").map(shown_as), list(dict.fromkeys(shown_as.values()))

"""Names of classes and their order."""

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from gristmill.errors import DataError, short_repr

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
_DIGITS = re.compile(r"(\d+)", re.ASCII)
_MAX_DIGITS = 4000  # Python's `int` refuses much longer strings
_MAX_LABELS_LISTED = 12


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Return the different labels in natural order: numbers by value, `class 2` before `class 10`."""
    different = set(labels)
    if all(map(_NUMBER.fullmatch, different)):
        return sorted(different, key=lambda label: (float(label), label))
    return sorted(different, key=lambda label: ([_sort_key(part) for part in _DIGITS.split(label)], label))


def _sort_key(part: str) -> tuple[int, str]:
    return (int(part[:_MAX_DIGITS]) if _DIGITS.fullmatch(part) else -1, part)


def name_classes(labels: "pd.Series[str]", names: Mapping[str, str], column: str) -> "tuple[pd.Series[str], list[str]]":
    """Return the class name of each example, and the class names in order.

    A categorical column keeps the source's order; other labels are sorted by `sort_labels`. `names` maps labels to
    class names, and two labels may share a name; `column` is for the error.

    Raises:
        DataError: `names` contains a label that no example has.
    """
    is_ordered = isinstance(labels.dtype, pd.CategoricalDtype)
    known = labels.cat.categories.tolist() if is_ordered else sort_labels(labels)
    if unknown := [label for label in names if label not in known]:
        raise DataError(
            f"ingest.names: nothing has the label {short_repr(unknown[0])} in column {column!r}. Labels: "
            f"{', '.join(map(short_repr, known[:_MAX_LABELS_LISTED]))}{', …' * (len(known) > _MAX_LABELS_LISTED)}."
        )
    name_of = {label: names.get(label, label) for label in known}
    return labels.astype("str").map(name_of), list(dict.fromkeys(name_of.values()))

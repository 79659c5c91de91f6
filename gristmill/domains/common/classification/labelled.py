"""Examples with a class each, split into parts: names, counts and weights of the classes.

A check refuses data in which they do not suffice to train and test on.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.errors import DataError, Unsuitable, short_repr

PARTS = ("train", "validation", "test")
TOGETHER = "kept together"  # column with the number of the group that stays in one set, if any has several examples
RESERVED = ("id", "label", "part", TOGETHER, "all", "class")  # by the index and the scores

Labels = npt.NDArray[np.int64]  # (examples,): position of the class
Weights = npt.NDArray[np.float64]

_MAX_LABELS_LISTED = 12


@dataclass(frozen=True)
class LabelledDataset:
    """The examples of all parts.

    `index` holds one row per example, part by part: `id`, `label` (position of the class), `part`, and metadata.
    """

    index: pd.DataFrame
    classes: list[str]

    @property
    def columns(self) -> list[str]:
        """Columns of metadata to score by, except names that the scores use themselves."""
        return [str(name) for name in self.index if name not in RESERVED]

    def rows(self, part: str) -> pd.DataFrame:
        """Return the index of a part."""
        return self.index[self.index["part"] == part].reset_index(drop=True)

    def labels(self, part: str) -> Labels:
        """Return the labels of a part."""
        return self.rows(part)["label"].to_numpy(np.int64)


def count_by_class(index: pd.DataFrame, classes: Sequence[str]) -> dict[str, int]:
    """Return the number of examples of each class; `label` of the index is the position of the class."""
    counts = np.bincount(index["label"], minlength=len(classes))
    return dict(zip(classes, counts.tolist(), strict=True))


def balanced_weights(labels: Labels, classes: int) -> Weights:
    """Return the weight of each class for which all count equally, (classes,); the mean over the labels is 1."""
    counts = np.bincount(labels, minlength=classes)
    return np.asarray(counts.sum() / (classes * np.maximum(counts, 1)))


def refuse_balanced(balanced: bool) -> None:
    """Refuse class weights for the kind `majority`.

    Raises:
        Unsuitable: classes are balanced.
    """
    if balanced:
        raise Unsuitable(
            "model.kind = 'majority' predicts the frequencies of the classes, which train.class_weights would make "
            "equal. Leave out train.class_weights, or use another kind."
        )


def quartiles(values: "pd.Series[int]") -> dict[str, float]:
    """Return minimum, quartiles and maximum."""
    names = ("min", "quarter", "median", "three_quarters", "max")
    return dict(zip(names, values.quantile([0, 0.25, 0.5, 0.75, 1]).tolist(), strict=True))


def check_classes(index: pd.DataFrame, classes: Sequence[str], example: str, which: str = "", target: str = "") -> None:
    """Raise a `DataError` if there is a single class, or if a class has too few examples to train and test on.

    The index has columns `label` (position of the class), `part` (of the source, or missing) and, of a table, `id`.
    `example` is the noun for the message (photo, text), and `which` a suffix that says which examples are counted.
    `target` is the column of classes in a table.
    """
    of_target = f" of the target {target!r}" if target else ""
    if len(classes) < 2:
        raise DataError(
            f"all {len(index)} {example}s are of one class{of_target}, {classes[0]!r}: a classifier needs at least "
            f"two. Add {example}s of another class."
        )
    required = 1 if (index["part"] == "test").any() else 2
    for label, (name, count) in enumerate(count_by_class(index, classes).items()):
        if count < required:
            examples, remedy = f"{'one' if count else 'no'} {example}{which}", "or leave the class out"
            if target:
                examples = f"only {example} {index['id'][index['label'] == label].iloc[0]}"
                remedy = "leave its target empty, or merge the class with another in source.prepare"
                if len(classes) > len(index) / 2:
                    remedy += '; if the target is a number, set ingest.task = "regression"'
            raise DataError(
                f"class {name!r}{of_target} has {examples}, but needs one to train on and another to test on. Add "
                f"{example}s, {remedy}."
            )


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Return the different labels in natural order: numbers by value, `class 2` before `class 10`."""
    different = set(labels)
    if all(re.fullmatch(r"[+-]?\d+(\.\d+)?", label, re.ASCII) for label in different):
        return sorted(different, key=lambda label: (float(label), label))

    def key(label: str) -> tuple[list[tuple[int, str]], str]:
        # Every second word is a number. Python's `int` refuses strings that are much longer.
        words = re.split(r"(\d+)", label, flags=re.ASCII)
        return [(int(word[:4000]) if at % 2 else -1, word) for at, word in enumerate(words)], label

    return sorted(different, key=key)


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

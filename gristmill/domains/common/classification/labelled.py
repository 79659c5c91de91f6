"""Examples with a class each, split into parts: names, counts and weights of the classes, and rare classes."""

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.errors import DataError, Unsuitable, count_of, short_repr

logger = logging.getLogger(__name__)

PARTS = ("train", "validation", "test")
TOGETHER = "kept together"  # column with the number of the group that stays in one set, if any has several examples
RESERVED = ("id", "label", "part", TOGETHER, "all", "class")  # by the index and the scores

Labels = npt.NDArray[np.int64]  # (examples,): position of the class
Weights = npt.NDArray[np.float64]

_MAX_LABELS_LISTED, _MAX_CLASSES_COUNTED = 12, 50


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
    """Return the weight of each class for which all with labels count equally; the mean over the labels is 1."""
    counts = np.bincount(labels, minlength=classes)
    return np.asarray(counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1)))


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


class RareClassSettings(Protocol):
    """Settings of ingest for classes with few examples."""

    @property
    def min_examples(self) -> int:
        """Number of examples; classes with fewer are rare."""
        ...

    @property
    def rare_classes(self) -> str:
        """What becomes of rare classes: "keep", "drop" or "error"."""
        ...


@dataclass(frozen=True)
class UsableClasses:
    """Examples and classes to use, which of these classes are rare, and a warning of them."""

    index: pd.DataFrame
    classes: list[str]
    rare: list[str]
    warning: str = ""

    def summary(self) -> dict[str, Any]:
        """Return the entries of `summary.json` about classes."""
        parts = self.index.groupby("part")  # of the source
        return {
            "classes": self.classes,
            "counts": count_by_class(self.index, self.classes),
            "parts": {str(part): count_by_class(group, self.classes) for part, group in parts},
        } | self.rarity()

    def rarity(self) -> dict[str, Any]:
        """Return the entries of `summary.json` about rare classes, if there are any."""
        return {"rare_classes": self.rare, "warning": self.warning} if self.rare else {}


def spelled_alike(classes: Iterable[str]) -> list[str]:
    """Return the spellings of each name that differ only in case or in spaces around them: `'cat'/'Cat'`."""
    spellings = defaultdict(list)
    for name in classes:
        spellings[name.strip().casefold()].append(repr(name))
    return ["/".join(names) for names in spellings.values() if len(names) > 1]


def select_classes(
    index: pd.DataFrame,
    classes: Sequence[str],
    settings: RareClassSettings,
    example: str,
    which: str = "",
    target: str = "",
) -> UsableClasses:
    """Return the classes to use, and their examples: without rare classes if the settings drop them.

    The index has columns `label` (position of the class) and `part` (of the source, or missing). `example` is the noun
    for messages (photo, text), and `which` a suffix that says which examples are counted. `target` is the column of
    classes in a table.

    Raises:
        DataError: fewer than two classes can be tested, or the settings refuse rare classes.
    """
    of_target = f" of the target {target!r}" if target else ""
    if len(classes) < 2:
        raise DataError(
            f"all {len(index)} {example}s are of one class{of_target}, {classes[0]!r}: a classifier needs at least "
            f"two. Add {example}s of another class."
        )
    if alike := spelled_alike(classes):
        logger.warning(
            "classes%s that differ only in case or spaces: %s. If they are one class, give them one name.",
            of_target,
            ", ".join(alike),
        )
    # 1. Find the rare classes.
    rare = {name: count for name, count in count_by_class(index, classes).items() if count < settings.min_examples}
    if not rare:
        return UsableClasses(index, [*classes], [])
    have = "has" if len(rare) == 1 else "have"
    fewer = f"{have} fewer than {count_of(settings.min_examples, f'{example}s')}{which}: {list_counts(rare)}."
    told = f"{count_of(len(rare), 'classes')}{of_target} {fewer}"
    remedy = f"Add {example}s, merge classes"
    if target and len(classes) > len(index) / 2:
        remedy = f'If the target is a number, set ingest.task = "regression". {remedy}'
    # 2. Refuse them, leave them out, or say that they are not tested.
    common = [name for name in classes if name not in rare]
    _check_rare_classes(index, common, settings.rare_classes, told, remedy)
    if settings.rare_classes == "drop":
        kept = _only_classes(index, classes, common)
        left_out = count_of(len(index) - len(kept), f"{example}s")
        logger.warning("%s: left out, because ingest.rare_classes = 'drop'. %s", left_out, told)
        return UsableClasses(kept, common, [])
    if empty := [name for name, count in rare.items() if not count]:
        raise DataError(
            f"classes without a {example}{which}: {', '.join(map(repr, empty))}. Add {example}s, or set "
            'ingest.rare_classes = "drop".'
        )
    warning = f"{told} They are only trained on and cannot be tested, unless the source names their set. {remedy}"
    warning += ', or set ingest.rare_classes = "drop".'
    logger.warning("%s", warning)
    return UsableClasses(index, [*classes], [*rare], warning)


def _check_rare_classes(index: pd.DataFrame, common: Sequence[str], policy: str, told: str, remedy: str) -> None:
    """Raise `DataError` if rare classes are refused, or if too few others are left; `told` names the rare ones."""
    if policy == "error":
        raise DataError(f'{told} {remedy}, or set ingest.rare_classes = "keep" or "drop".')
    if len(common) < 2 and (policy == "drop" or not (index["part"] == "test").any()):
        raise DataError(
            f"{told} A classifier needs at least two other classes, to train and to test on. {remedy}, or lower "
            "ingest.min_examples."
        )


def _only_classes(index: pd.DataFrame, classes: Sequence[str], kept: Sequence[str]) -> pd.DataFrame:
    """Return the examples of the kept classes, with the positions of their classes among these."""
    names = pd.Series(np.array(classes, object)[index["label"]], index.index)
    labels = names.map({name: label for label, name in enumerate(kept)}).dropna()
    return index.loc[labels.index].assign(label=labels.astype(np.int64))


def list_counts(counts: Mapping[str, int], limit: int = _MAX_CLASSES_COUNTED) -> str:
    """Return the first classes with their counts: `4 'cat', 4 'dog'`."""
    listed = [f"{count:,} {name!r}" for name, count in counts.items()]
    return ", ".join(listed[:limit]) + ", …" * (len(listed) > limit)


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

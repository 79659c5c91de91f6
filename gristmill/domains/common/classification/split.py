"""Split: which examples train, are chosen by, are scored; as the source says, else drawn class by class."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.settings import Part
from gristmill.errors import DataError, RequestError

Counts = npt.NDArray[np.int64]  # (classes,)
Parts = npt.NDArray[np.object_]  # (examples,): name of the part


class Sizes(Protocol):
    """Settings that say how large the drawn parts are, and by which seed they are drawn."""

    @property
    def validation(self) -> Part: ...
    @property
    def test(self) -> Part: ...
    @property
    def seed(self) -> int: ...


def split(index: pd.DataFrame, classes: Sequence[str], settings: Sizes) -> Parts:
    """Return the part of each example.

    What the source calls test or validation stays so. A part that it lacks is drawn from all other examples, class by
    class: that many in proportion to the classes, or that share of each class, one example at least. Which ones depends
    on the seed and the class's own examples alone.

    Args:
        index: `label` and `part` (of the source, or missing) of each example.
        classes: names by label.
        settings: sizes of validation and test, seed.

    Raises:
        DataError: a class is left without an example to train on.
        RequestError: there would be nothing to test on, or nothing but.
    """
    labels, given = index["label"].to_numpy(np.int64), index["part"].fillna("train")
    wanted = {part: getattr(settings, part) for part in ("test", "validation") if not (given == part).any()}
    _refuse_contradictions(wanted)
    parts = given.to_numpy(object, copy=True)
    drawn = _drawn(np.bincount(labels[parts == "train"], minlength=len(classes)), wanted, classes)
    for label in range(len(classes)):
        rows = np.flatnonzero((labels == label) & (parts == "train"))
        shuffled = np.random.default_rng([settings.seed, label]).permutation(rows)
        for part, counts in drawn.items():
            parts[shuffled[: counts[label]]] = part
            shuffled = shuffled[counts[label] :]
    return parts


def _drawn(pool: Counts, wanted: dict[str, Part], classes: Sequence[str]) -> dict[str, Counts]:
    """Return how many examples of each class each part takes of the pool."""
    if not pool.all():
        name = classes[int(np.argmin(pool))]
        raise DataError(
            f"class {name!r} has no example in the source's training part. Add some, or leave the class out."
        )
    left, drawn = pool, {}
    for part, size in wanted.items():
        drawn[part] = _share_out(pool, left, size)
        left = left - drawn[part]
    if (left < 1).any():
        label = int(np.argmin(left))
        taken = " and ".join(f"{part} takes {counts[label]}" for part, counts in drawn.items())
        raise DataError(
            f"class {classes[label]!r} has {pool[label]} examples to draw from, but {taken}: none is left to train on. "
            "Add examples, or set smaller parts in the table 'preprocess'."
        )
    return drawn


def _share_out(pool: Counts, left: Counts, size: Part) -> Counts:
    """Return how many examples of each class are drawn.

    Args:
        pool: examples of each class that a share is taken of.
        left: those not drawn yet; a share leaves one of them at least.
        size: below 1 a share of each class, from 1 on a number of examples in all.
    """
    if 0 < size < 1:
        return np.clip(np.maximum(1, np.rint(size * pool)), 0, np.maximum(left - 1, 0)).astype(np.int64)
    exact = size * left / max(1, left.sum())
    counts: Counts = np.floor(exact).astype(np.int64)
    counts[np.argsort(counts - exact, kind="stable")[: int(size) - counts.sum()]] += 1  # the largest remainders
    return counts


def _refuse_contradictions(wanted: dict[str, Part]) -> None:
    if wanted.get("test") == 0:
        raise RequestError(
            "preprocess.test is 0, but the source has no test part: nothing would be scored. Set a number of examples "
            "or a share."
        )
    shares = [size for size in wanted.values() if 0 < size < 1]
    if sum(shares) >= 1:
        told = " and ".join(f"preprocess.{part} = {size}" for part, size in wanted.items())
        raise RequestError(f"{told} leave no example to train on. Set smaller shares.")


def mix_classes(labels: npt.NDArray[np.int64], seed: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return a drawn order of examples in which every stretch holds the classes in about their shares."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    classes = pd.Series(labels[order])
    rank = classes.groupby(classes).cumcount().to_numpy() + random.random(len(order))
    place = rank / np.bincount(labels)[labels[order]]  # within the class, from 0 to 1
    made: npt.NDArray[np.int64] = order[np.argsort(place, kind="stable")]
    return made

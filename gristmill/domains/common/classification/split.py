"""Split examples into parts, which the source defines or which are drawn class by class."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from gristmill.domains.common.classification.duplicates import Groups, assign_groups, fill_empty_sets, with_others
from gristmill.domains.common.classification.labelled import Labels
from gristmill.domains.common.classification.settings import Part
from gristmill.errors import DataError, RequestError, count_of

Counts = npt.NDArray[np.int64]  # (classes,)
Parts = npt.NDArray[np.object_]  # (examples,): name of the part


def split(
    index: pd.DataFrame,
    classes: Sequence[str],
    validation: Part,
    test: Part,
    seed: int,
    groups: Groups | None = None,
    example: str = "example",
    kept: str = "copies and groups stay in one set, and they are few and large",
    rare: Sequence[str] = (),
) -> Parts:
    """Return the part of each example.

    A test or validation set of the source stays as it is. A part that the source lacks is drawn from all other
    examples, class by class: a number in proportion to the classes, or a share of each class, at least one example.
    Examples of `rare` classes, and of classes with a single group, are in the training set unless the source names
    another.
    The draw depends only on the seed and the examples of the class. The index has columns `label` and `part` (of the
    source, or missing). Examples of one group are drawn together, so the numbers can differ from those wanted.
    `example` is the noun for messages, and `kept` says what stays in one set.

    Raises:
        DataError: a class is left without an example to train on, or nothing to test on.
        RequestError: there would be nothing to test on, or nothing to train on.
    """
    # 1. Keep the parts of the source, and count what the others take.
    labels = index["label"].to_numpy(np.int64)
    parts = index["part"].fillna("train").to_numpy(object, copy=True)
    sizes = {"test": test, "validation": validation}
    wanted = {part: size for part, size in sizes.items() if not (parts == part).any()}
    if wanted.get("test") == 0:
        raise RequestError(
            "preprocess.test is 0, but the source has no test set: nothing would be scored. Set a number of examples "
            "or a share."
        )
    if sum(size for size in wanted.values() if 0 < size < 1) >= 1:
        assigned = " and ".join(f"preprocess.{part} = {size}" for part, size in wanted.items())
        raise RequestError(f"{assigned} leave no example to train on. Set smaller shares.")
    is_rare = np.isin(np.array(classes, object), rare)
    counts = np.bincount(labels[parts == "train"], minlength=len(classes))
    drawn = _draw_counts(counts, wanted, classes, is_rare, example)

    # 2. Assign groups of several examples.
    pool = np.flatnonzero(parts == "train")
    grouped = pool[:0] if groups is None else pool[with_others(groups[pool])]
    if groups is not None and len(grouped):
        train = np.bincount(labels[pool], minlength=len(classes)) - sum(drawn.values())
        counts_wanted = np.array([train, *drawn.values()])
        owners = assign_groups(labels[grouped], groups[grouped], counts_wanted, seed)
        for number, part in enumerate(drawn, 1):
            taken = grouped[owners == number]
            parts[taken] = part
            drawn[part] = np.maximum(drawn[part] - np.bincount(labels[taken], minlength=len(classes)), 0)

    # 3. Draw the other examples, class by class.
    single = ~np.isin(np.arange(len(parts)), grouped)
    for label in range(len(classes)):
        rows = np.flatnonzero((labels == label) & (parts == "train") & single)
        shuffled = np.random.default_rng([seed, label]).permutation(rows)
        for part, counts in drawn.items():
            parts[shuffled[: counts[label]]] = part
            shuffled = shuffled[counts[label] :]

    # 4. Give sets that lack a class one of its groups, if that is possible. All classes must train.
    if groups is not None and len(grouped):
        sets = np.array(["train", *drawn], object)
        owners = (parts[pool, np.newaxis] == sets).argmax(axis=1)
        parts[pool] = sets[fill_empty_sets(owners, labels[pool], groups[pool], counts_wanted)]
        trains = is_rare | (np.bincount(labels[parts == "train"], minlength=len(classes)) == 0)
        parts[pool[np.isin(groups[pool], groups[pool][trains[labels[pool]]])]] = "train"
        if not (parts == "test").any():
            raise DataError(
                f"{kept}: no test {example} is left. Add {example}s of other groups, leave preprocess.group out, or "
                "let the source name the parts."
            )
    return parts


def _draw_counts(
    pool: Counts, wanted: dict[str, Part], classes: Sequence[str], is_rare: npt.NDArray[np.bool_], example: str
) -> dict[str, Counts]:
    """Return the number of examples that each part takes from the pool, by class: none of rare classes."""
    if not pool.all():
        name = classes[int(np.argmin(pool))]
        raise DataError(
            f"class {name!r} has no {example} in the source's training set. Add some, or leave the class out."
        )
    pool = np.where(is_rare, 0, pool)
    left, drawn = pool, {}
    for part, size in wanted.items():
        if 0 < size < 1:  # a share of each class
            counts = np.clip(np.maximum(1, np.rint(size * pool)), 0, np.maximum(left - 1, 0)).astype(np.int64)
        else:  # a number in all, in proportion to the classes; the largest remainders are rounded up
            exact = size * left / max(1, left.sum())
            counts = np.floor(exact).astype(np.int64)
            counts[np.argsort(counts - exact, kind="stable")[: int(size) - counts.sum()]] += 1
        drawn[part], left = counts, left - counts
    if (left < 1)[~is_rare].any():
        label = int(np.argmin(np.where(is_rare, 1, left)))
        taken = " and ".join(f"{part} takes {counts[label]}" for part, counts in drawn.items())
        raise DataError(
            f"class {classes[label]!r} has {count_of(pool[label], f'{example}s')} to draw from, but {taken}: none is "
            f"left to train on. Add {example}s, or set smaller parts in the table 'preprocess'."
        )
    return drawn


def mix_classes(labels: Labels, seed: Sequence[int]) -> Labels:
    """Return a random order of examples in which every section has about the same shares of the classes."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    classes = pd.Series(labels[order])
    rank = classes.groupby(classes).cumcount().to_numpy() + random.random(len(order))
    quantile = rank / np.bincount(labels)[labels[order]]  # within the class, from 0 to 1
    return np.asarray(order[np.argsort(quantile, kind="stable")])

"""Trees, and the rows to fit them on, as plain arrays: in memory, and in the files between a run and its process.

Features are float32, as an exported network computes them. Each threshold of LightGBM is rounded down to float32,
which sends every float32 number the same way.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gristmill.util.table_io import read_document, write_document

NOT_LOADABLE = 3  # exit status of the process if LightGBM, or a system library that it needs, cannot be loaded
UNSUITABLE = 4  # exit status if LightGBM cannot fit trees to the data with these settings
TREES_FILE = "trees.npz"
HIGHEST = float(np.finfo(np.float32).max)  # stands for NaN on the right side of a comparison, -HIGHEST on the left
MAX_DEPTH = 8  # each level is a step of the exported network
_VALIDATION = ("validation_features", "validation_targets")  # arrays of `TreeFit.validation`

Features = npt.NDArray[np.float32]  # (rows, features); NaN where a value is missing
Targets = npt.NDArray[Any]  # (rows,), or (rows, outputs) of numbers; classes are numbered from 0 on


@dataclass(frozen=True)
class TreeSettings:
    """Settings of one fit."""

    learning_rate: float
    leaves: int  # maximum per tree
    depth: int  # maximum number of splits on the way to a leaf, 1 to 8
    min_rows: int  # minimum per leaf
    objective: Literal["l2", "l1", "huber", "binary", "multiclass"] = "l2"
    rounds: int | Sequence[int] = 1000  # for all outputs or for each; the maximum if there are validation rows
    patience: int = 50  # rounds without a lower validation loss that end the fit
    row_share: float = 1.0  # share of the rows drawn for each tree
    column_share: float = 1.0  # share of the features drawn for each tree
    l2: float = 0.0  # penalty on the values of the leaves
    classes: int = 1  # number of classes if the objective is "multiclass"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.depth <= MAX_DEPTH:
            raise ValueError(f"depth must be 1 to {MAX_DEPTH}. Received: {self.depth}")


@dataclass(frozen=True)
class TreeFit:
    """Rows to fit trees on. Without validation rows, exactly `settings.rounds` rounds are fitted."""

    features: Features
    targets: Targets
    settings: TreeSettings
    validation: tuple[Features, Targets] | None = None
    weights: npt.NDArray[Any] | None = None  # (rows,)
    validation_weights: npt.NDArray[Any] | None = None  # likewise, of the validation rows


@dataclass(frozen=True)
class Trees:
    """Fitted trees as tables of nodes; a prediction is the sum of one leaf of each tree.

    A node compares a column with its threshold and leads to its left child or, if the value is larger, to the node
    that follows it. The columns are the features with the lowest float32 number for NaN, the features with the highest
    one for NaN, and a column of zeros. So NaN takes the side that LightGBM chose. A leaf leads to itself.
    """

    columns: npt.NDArray[np.int32]  # (nodes,)
    thresholds: npt.NDArray[np.float32]  # (nodes,)
    lefts: npt.NDArray[np.int32]  # (nodes,)
    values: npt.NDArray[np.float32]  # (nodes,): 0 unless the node is a leaf
    roots: npt.NDArray[np.int32]  # (trees,)
    outputs: npt.NDArray[np.int32]  # (trees,): the output to which a tree adds, from 0 on
    rounds: npt.NDArray[np.int32]  # (models,): rounds of each output, or of all classes
    size: int  # number of outputs
    depth: int  # maximum number of steps from a root to a leaf

    def predict(self, features: Features) -> npt.NDArray[np.float32]:
        """Return raw scores, (rows, outputs): numbers, or logits of classes."""
        sides = [np.where(np.isnan(features), missing, features) for missing in (-HIGHEST, HIGHEST)]
        table = np.concatenate([*sides, np.zeros((len(features), 1))], axis=1, dtype=np.float32)
        nodes = np.repeat(self.roots[np.newaxis], len(features), axis=0)
        for _ in range(self.depth):
            right = np.take_along_axis(table, self.columns[nodes], axis=1) > self.thresholds[nodes]
            nodes = self.lefts[nodes] + right
        return np.asarray(self.values[nodes] @ np.eye(self.size, dtype=np.float32)[self.outputs])


def average_trees(fitted: Sequence[Trees]) -> Trees:
    """Return trees whose scores are the mean scores of several fits."""
    names = ("columns", "thresholds", "values", "outputs", "rounds")
    joined: dict[str, Any] = {name: np.concatenate([getattr(trees, name) for trees in fitted]) for name in names}
    joined["values"] = (joined["values"] / len(fitted)).astype(np.float32)
    starts = np.cumsum([0, *(len(trees.columns) for trees in fitted[:-1])])
    for name in ("lefts", "roots"):  # numbers of nodes
        numbers = [getattr(trees, name) + start for trees, start in zip(fitted, starts, strict=True)]
        joined[name] = np.concatenate(numbers)
    return replace(fitted[0], **joined, depth=max(trees.depth for trees in fitted))


def write_fit(folder: Path, fit: TreeFit) -> None:
    """Write the rows of a fit, and its settings, into a folder."""
    arrays = {name: getattr(fit, name) for name in ("features", "targets", "weights", "validation_weights")}
    if fit.validation:
        arrays |= dict(zip(_VALIDATION, fit.validation, strict=True))
    for name, array in arrays.items():
        if array is not None:
            kind = np.float32 if name.endswith("features") else np.float64
            np.save(folder / f"{name}.npy", np.asarray(array, kind), allow_pickle=False)
    write_document(folder / "settings.json", asdict(fit.settings))


def read_fit(folder: Path) -> TreeFit:
    """Read what `write_fit` wrote; arrays stay on the disk until they are used."""
    files = folder.glob("*.npy")
    arrays: dict[str, Any] = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in files}
    if "validation_features" in arrays:
        arrays["validation"] = tuple(arrays.pop(name) for name in _VALIDATION)
    return TreeFit(**arrays, settings=TreeSettings(**read_document(folder / "settings.json")))


def read_trees(path: Path) -> Trees:
    """Read what `write_trees` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        values: dict[str, Any] = {name: arrays[name] for name in arrays}
    return Trees(**{name: value if value.ndim else value.item() for name, value in values.items()})


def write_trees(path: Path, trees: Trees) -> None:
    """Write the arrays as one `.npz` file."""
    arrays: dict[str, Any] = vars(trees)
    np.savez(path, allow_pickle=False, **arrays)

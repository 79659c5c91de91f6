"""Keras layers that compute the predictions of fitted trees.

Small trees make all their comparisons at once, and a matrix product finds the leaf whose path they agree with. Large
trees are walked, one step for each level, because that product grows with the square of the leaves. Both use built-in
Keras layers and operations without a loop, and frozen tables, so every export format supports them.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.training.lookup_tables import constant, frozen_table
from gristmill.training.trees.tree_data import HIGHEST, Trees

MAX_LEAVES = 32  # of small trees; up to here a product takes a quarter of the time of a walk
_TREES_PER_PRODUCT = 64  # bounds the memory of comparisons


def tree_network(features: keras.KerasTensor, trees: Trees) -> keras.KerasTensor:
    """Return the raw scores of the trees, (batch, outputs): numbers, or logits of classes.

    Args:
        features: (batch, features) float32; NaN where a value is missing.
        trees: from `fit_trees`.
    """
    missing = ops.isnan(features)
    low, high = (ops.where(missing, value, features) for value in (-HIGHEST, HIGHEST))
    table = ops.concatenate([low, high, ops.zeros_like(features[:, :1])], axis=1)
    paths = paths_of(trees)
    return _walked(table, trees) if paths is None else _compared(table, paths, trees)


@dataclass(frozen=True)
class Paths:
    """Splits and leaves of each tree, and the turns on the way to each leaf."""

    columns: npt.NDArray[np.int32]  # (trees, splits)
    thresholds: npt.NDArray[np.float32]  # (trees, splits)
    turns: npt.NDArray[np.float32]  # (trees, leaves, splits): 1 to the right, -1 to the left, 0 not on the way
    rights: npt.NDArray[np.float32]  # (trees, leaves), number of turns to the right
    values: npt.NDArray[np.float32]  # (trees, leaves)


def paths_of(trees: Trees) -> Paths | None:
    """Return the paths of trees; None if one of them has more than 32 leaves."""
    is_leaf = trees.lefts == np.arange(len(trees.lefts))
    # 1. Follow each tree from its root; a split's turn is -1 to the left and 1 to the right.
    walks = []
    for root in trees.roots:
        splits: list[int] = []
        leaves: list[tuple[int, dict[int, int]]] = []  # the node, and the turn at each split on the way
        waiting: list[tuple[int, dict[int, int]]] = [(int(root), {})]
        while waiting:
            node, way = waiting.pop()
            if is_leaf[node]:
                leaves.append((node, way))
                continue
            left, split = int(trees.lefts[node]), len(splits)
            splits.append(node)
            waiting += [(left, way | {split: -1}), (left + 1, way | {split: 1})]
        if len(leaves) > MAX_LEAVES:
            return None
        walks.append((splits, leaves))
    # 2. Fill tables with room for the largest tree.
    count, most_leaves = len(walks), max(len(leaves) for _, leaves in walks)
    most_splits = max(1, most_leaves - 1)
    columns = np.zeros((count, most_splits), np.int32)
    thresholds = np.zeros((count, most_splits), np.float32)
    turns = np.zeros((count, most_leaves, most_splits), np.float32)
    values = np.zeros((count, most_leaves), np.float32)
    rights = np.ones((count, most_leaves), np.float32)  # unused leaves are never reached
    for tree, (splits, leaves) in enumerate(walks):
        columns[tree, : len(splits)] = trees.columns[splits]
        thresholds[tree, : len(splits)] = trees.thresholds[splits]
        for leaf, (node, way) in enumerate(leaves):
            turns[tree, leaf, list(way)] = list(way.values())
            rights[tree, leaf] = sum(turn > 0 for turn in way.values())
            values[tree, leaf] = trees.values[node]
    return Paths(columns, thresholds, turns, rights, values)


def _compared(table: Any, paths: Paths, trees: Trees) -> Any:
    """Return the scores from all comparisons at once; arrays have the batch last, (…, batch)."""
    (count, leaves), splits = paths.values.shape, paths.columns.shape[1]
    none = ops.cast(table[:, -1:], "int32")

    def kept(array: npt.NDArray[Any], name: str) -> Any:
        return ops.reshape(constant(array.ravel(), none, f"trees_{name}"), array.shape)

    by_output = np.eye(trees.size, dtype=np.float32)[trees.outputs].T  # (outputs, trees)
    values = kept((by_output[..., np.newaxis] * paths.values).reshape(trees.size, -1), "values")
    columns, thresholds = kept(paths.columns.ravel(), "columns"), kept(paths.thresholds.reshape(-1, 1), "thresholds")
    turns, least = kept(paths.turns, "turns"), kept(paths.rights[..., np.newaxis] - 1, "least")
    rows, scores = ops.transpose(table), []
    for begin in range(0, count, _TREES_PER_PRODUCT):
        end = min(begin + _TREES_PER_PRODUCT, count)
        trees_here, splits_here = (slice(begin, end),), (slice(begin * splits, end * splits),)
        right = ops.cast(ops.take(rows, columns[splits_here], axis=0) > thresholds[splits_here], "float32")
        right = ops.reshape(right, (end - begin, splits, -1))
        reached = ops.relu(ops.matmul(turns[trees_here], right) - least[trees_here])  # 1 for the leaf, 0 for others
        reached = ops.reshape(reached, ((end - begin) * leaves, -1))
        scores.append(ops.matmul(values[:, begin * leaves : end * leaves], reached))
    return ops.transpose(sum(scores[1:], scores[0]))


def _walked(table: Any, trees: Trees) -> Any:
    """Return the scores from a walk through each tree, one step for each level."""
    zero = ops.cast(table[:, -1], "int32")
    nodes = frozen_table(trees.roots[np.newaxis], "trees_roots")(zero)  # (batch, trees)
    look_up = frozen_table(np.column_stack([trees.columns, trees.thresholds, trees.lefts]), "trees_nodes")
    for _ in range(trees.depth):
        node = look_up(ops.cast(nodes, "int32"))  # (batch, trees, 3): column, threshold, left child
        compared = ops.take_along_axis(table, ops.cast(node[..., 0], "int32"), axis=1)
        nodes = node[..., 2] + ops.cast(compared > node[..., 1], "float32")
    leaves = frozen_table(trees.values[:, np.newaxis], "trees_values")(ops.cast(nodes, "int32"))[..., 0]
    total = keras.layers.Dense(trees.size, use_bias=False, trainable=False, name="trees_sum")
    total.build((None, len(trees.outputs)))
    total.set_weights([np.eye(trees.size, dtype=np.float32)[trees.outputs]])
    return total(leaves)

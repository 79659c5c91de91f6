"""Keras layers that compute the predictions of fitted trees: frozen tables of nodes, and one step for each level.

They use built-in Keras layers and operations without a loop, so every export format supports them.
"""

import keras
import numpy as np
from keras import ops

from gristmill.training.lookup_tables import frozen_table
from gristmill.training.trees import Trees

_HIGHEST = float(np.finfo(np.float32).max)


def tree_network(features: keras.KerasTensor, trees: Trees) -> keras.KerasTensor:
    """Return the raw scores of the trees, (batch, outputs): numbers, or logits of classes.

    Args:
        features: (batch, features) float32; NaN where a value is missing.
        trees: from `fit_trees`.
    """
    missing = ops.isnan(features)
    low, high = (ops.where(missing, value, features) for value in (-_HIGHEST, _HIGHEST))
    zero = ops.zeros_like(features[:, :1])
    table = ops.concatenate([low, high, zero], axis=1)
    nodes = frozen_table(trees.roots[np.newaxis], "trees_roots")(ops.cast(zero[:, 0], "int32"))  # (batch, trees)
    look_up = frozen_table(np.column_stack([trees.columns, trees.thresholds, trees.lefts]), "trees_nodes")
    for _ in range(trees.depth):
        found = look_up(ops.cast(nodes, "int32"))  # (batch, trees, 3)
        compared = ops.take_along_axis(table, ops.cast(found[..., 0], "int32"), axis=1)
        nodes = found[..., 2] + ops.cast(compared > found[..., 1], "float32")
    leaves = frozen_table(trees.values[:, np.newaxis], "trees_values")(ops.cast(nodes, "int32"))[..., 0]
    total = keras.layers.Dense(trees.size, use_bias=False, trainable=False, name="trees_sum")
    total.build((None, len(trees.outputs)))
    total.set_weights([np.eye(trees.size, dtype=np.float32)[trees.outputs]])
    return total(leaves)

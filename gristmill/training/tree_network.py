"""Keras layers that predict as fitted trees do: frozen tables of nodes, walked for as many steps as trees are deep.

They are Keras's own layers and operations without a loop, so every export format takes them.
"""

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from gristmill.training.trees import Trees

_HIGHEST = float(np.finfo(np.float32).max)


def tree_network(features: keras.KerasTensor, trees: Trees, name: str = "trees") -> keras.KerasTensor:
    """Return the raw scores of the trees, (batch, outputs): numbers, or logits of classes.

    Args:
        features: (batch, features) float32; NaN where a value is missing.
        trees: from `fit_trees`.
        name: prefix of the layers' names.
    """
    missing = ops.isnan(features)
    low, high = (ops.where(missing, value, features) for value in (-_HIGHEST, _HIGHEST))
    zero = ops.zeros_like(features[:, :1])
    table = ops.concatenate([low, high, zero], axis=1)
    nodes = _frozen(trees.roots[np.newaxis], f"{name}_roots")(ops.cast(zero[:, 0], "int32"))  # (batch, trees)
    look_up = _frozen(np.column_stack([trees.columns, trees.thresholds, trees.lefts]), f"{name}_nodes")
    for _ in range(trees.depth):
        found = look_up(ops.cast(nodes, "int32"))  # (batch, trees, 3)
        compared = ops.take_along_axis(table, ops.cast(found[..., 0], "int32"), axis=1)
        nodes = found[..., 2] + ops.cast(compared > found[..., 1], "float32")
    leaves = _frozen(trees.values[:, np.newaxis], f"{name}_values")(ops.cast(nodes, "int32"))[..., 0]
    total = keras.layers.Dense(trees.size, use_bias=False, trainable=False, name=f"{name}_sum")
    total.build((None, len(trees.outputs)))
    total.set_weights([np.eye(trees.size, dtype=np.float32)[trees.outputs]])
    return total(leaves)


def _frozen(table: npt.NDArray[np.generic], name: str) -> keras.layers.Embedding:
    """Return a layer that looks up rows of a table."""
    layer = keras.layers.Embedding(*table.shape, trainable=False, name=name)
    layer.build()
    layer.set_weights([table.astype(np.float32)])
    return layer

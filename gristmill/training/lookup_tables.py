"""Frozen tables in networks: rows looked up by position, and positions found by key.

They are Keras's own layers and operations, so that a network is saved and exported like any other.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

AFTER_ALL_KEYS = np.iinfo(np.int64).max  # last of the sorted keys of a table, where a key that is missing is found


def frozen_table(rows: Any, name: str) -> keras.layers.Layer:
    """Return a layer that looks up rows, (rows, columns), by position; numbers with a fraction become float32."""
    dtype = rows.dtype.name if rows.dtype.kind == "i" else "float32"
    layer = keras.layers.Embedding(*rows.shape, "zeros", dtype=dtype, trainable=False, name=name)
    layer.build()
    layer.set_weights([rows])
    return layer


def constant(values: Any, tokens: Any, name: str) -> Any:
    """Return an array (n,) as a tensor that depends on an input, as each tensor of a functional model must."""
    return frozen_table(values[np.newaxis], name)(ops.sum(ops.zeros_like(tokens)))


def positions_of(keys: Any, wanted: Any) -> Any:
    """Return the position of each wanted key, (batch, steps), and the last position for those that are missing.

    The keys are sorted, and `AFTER_ALL_KEYS` is the last one.
    """
    at = first_at_least(keys, wanted)
    return ops.where(ops.equal(ops.take(keys, at), wanted), at, keys.shape[0] - 1)


def first_at_least(keys: Any, wanted: Any) -> Any:
    """Return the position of the first key that is not below each wanted one, (batch, steps).

    `searchsorted` takes a vector, and Keras cannot give a vector the shape of a matrix of unknown size. So the results
    are looked up by the running number of each place of the matrix.
    """
    row, step = row_and_step_indices(wanted)
    width = ops.sum(ops.ones_like(wanted), axis=1, keepdims=True)
    return ops.cast(ops.take(ops.searchsorted(keys, ops.reshape(wanted, (-1,))), row * width + step), "int64")


def row_and_step_indices(values: Any) -> tuple[Any, Any]:
    """Return the number of the row and of the step of each value, (batch, steps)."""
    ones = ops.ones_like(values)
    return ops.cumsum(ones, axis=0) - 1, ops.cumsum(ones, axis=1) - 1

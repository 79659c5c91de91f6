"""Several inputs of a network as one array of rows, so that rows can be cut and counted."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def join_arrays(arrays: Mapping[str, Array]) -> Array:
    """Return one array of named ones, (rows, …) each: structured, (rows,), with a field for each; one stays as it is.

    Texts are objects: with a fixed width, each would take as much memory as the longest one.
    """
    first = next(iter(arrays.values()))
    if len(arrays) == 1:
        return first
    joined = np.empty(len(first), [(name, values.dtype, values.shape[1:]) for name, values in arrays.items()])
    for name, values in arrays.items():
        joined[name] = values
    return joined


def split_arrays(joined: Array) -> dict[str, Array]:
    """Return the arrays by name, (rows, …) each; the opposite of `join_arrays`, which loses the name of one alone."""
    return {name: joined[name] for name in joined.dtype.names} if joined.dtype.names else {"": joined}


def count_bytes(joined: Array) -> int:
    """Return the size of the content; a text counts its characters."""
    arrays = split_arrays(joined).values()
    return sum(sum(map(len, array.ravel())) if array.dtype == object else array.nbytes for array in arrays)

"""Header of NumPy's .npy format, read before the array takes any memory."""

import tokenize
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class NpyHeader(NamedTuple):
    """Shape, memory order and type of the array in a file."""

    shape: tuple[int, ...]
    fortran_order: bool  # the first index varies fastest
    dtype: "np.dtype[Any]"


def read_npy_header(file: IO[bytes]) -> NpyHeader:
    """Read the header of an .npy file; raise `ValueError` if it is invalid. Nothing is unpickled or executed."""
    from numpy.lib import format as npy

    if (version := npy.read_magic(file)) != (1, 0):  # later versions are for headers of megabytes
        raise ValueError(f"format version {version}")
    try:
        return NpyHeader(*npy.read_array_header_1_0(file))
    except (SyntaxError, tokenize.TokenError, RecursionError, MemoryError):  # raised by NumPy's parser
        raise ValueError("its header is not valid") from None

"""The header of NumPy's .npy, read before any of what it promises takes memory."""

import tokenize
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class NpyHeader(NamedTuple):
    """What a file of an array says of it."""

    shape: tuple[int, ...]
    in_columns: bool  # the first index runs fastest
    dtype: "np.dtype[Any]"


def read_npy_header(file: IO[bytes]) -> NpyHeader:
    """Read the header of an .npy file; one that pickles or runs anything is never followed.

    Raises:
        ValueError: it is none.
    """
    from numpy.lib import format as npy

    if (version := npy.read_magic(file)) != (1, 0):  # the others are for headers of megabytes
        raise ValueError(f"format version {version}")
    try:
        return NpyHeader(*npy.read_array_header_1_0(file))
    except (SyntaxError, tokenize.TokenError, RecursionError, MemoryError):  # of the parser
        raise ValueError("its header is not a plain one") from None

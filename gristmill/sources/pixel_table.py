"""Tables of images, as Kaggle keeps MNIST and its kin: a CSV of the column `label` and one of each pixel.

A package and not a module, since each module of `gristmill.sources.photo` is a kind of source (`kinds.py`).
"""

import csv
import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any

from gristmill.errors import DataError, short_repr
from gristmill.sources.archives import told
from gristmill.sources.rows import refuse_missing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SUFFIX = ".csv"

_LABEL = "label"
_LONGEST_HEADER = 1 << 20  # bytes
_LONGEST_REASON = 200  # characters: it may hold a whole row

Open = Callable[[], IO[bytes]]


def images_in(file: Open, where: str) -> "npt.NDArray[np.uint8]":
    """Return the images of a table: (images, side, side) or, of three times as many columns, (images, side, side, 3).

    Args:
        file: opens the table.
        where: what a message begins with.

    Raises:
        DataError: columns are missing or in another order, or a cell is no number from 0 to 255.
    """
    import numpy as np

    columns = _pixels(file, where)
    return np.stack(_read(file, where, columns, "uint8"), axis=1).reshape(-1, *_shape(len(columns)))


def labels_in(file: Open, where: str) -> "npt.NDArray[np.int64]":
    """Return the labels of a table, (images,); see `images_in`."""
    _pixels(file, where)
    labels: npt.NDArray[np.int64] = _read(file, where, [_LABEL], "int64")[0]
    return labels


def _pixels(file: Open, where: str) -> list[str]:
    """Return the columns of the pixels: all but the label, numbered row by row as in `pixel1` or `1x1`."""
    with told(where), file() as opened:
        header = next(csv.reader([opened.readline(_LONGEST_HEADER).decode("utf-8-sig")]), [])
    if header.count(_LABEL) != 1:
        refuse_missing(where, [_LABEL], header)
    columns = [name for name in header if name != _LABEL]
    for name, next_ in pairwise([_LABEL, *columns]):
        if not _numbers(name) < _numbers(next_):
            raise DataError(
                f"{where}: the column {short_repr(next_)} stands after {short_repr(name)}. Expected a column a pixel "
                "beside the label, numbered row by row, such as pixel1, pixel2, …: remove or order the others."
            )
    if not _shape(len(columns)):
        raise DataError(
            f"{where}: {len(columns)} columns beside the label, which make no square image in grey or in colour. "
            "Write the images as an .npz file."
        )
    return columns


def _numbers(name: str) -> list[int]:
    """Return the numbers in a column's name: of a pixel, or of its row and column."""
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _shape(count: int) -> tuple[int, ...]:
    """Return the shape of a square image of so many numbers, with three channels or with none; () if it has none."""
    for channels in ((), (3,)):
        side = math.isqrt(count // math.prod(channels))
        if count and side * side * math.prod(channels) == count:
            return (side, side, *channels)
    return ()


def _read(file: Open, where: str, columns: Sequence[str], dtype: str) -> "list[npt.NDArray[Any]]":
    """Return columns of whole numbers."""
    import pyarrow as pa
    from pyarrow import csv as tables

    types = dict.fromkeys(columns, pa.type_for_alias(dtype))
    # One thread, since only then a message names the row; no mark stands for a missing number, for none may be missing.
    reading = tables.ReadOptions(use_threads=False)
    converting = tables.ConvertOptions(column_types=types, include_columns=list(columns), null_values=[])
    with told(where), file() as opened:
        try:
            table = tables.read_csv(opened, read_options=reading, convert_options=converting)
        except pa.ArrowInvalid as error:
            reason = " ".join(str(error).split())[:_LONGEST_REASON]
            raise DataError(f"{where}: {reason}. Expected whole numbers, pixels from 0 to 255.") from None
    if not len(table):
        raise DataError(f"{where}: no rows below the header. Expected one an image.")
    return [table.column(name).to_numpy() for name in columns]

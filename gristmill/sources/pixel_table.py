"""Tables of images such as Kaggle's MNIST: a CSV file with the column `label` and one column per pixel."""

import csv
import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any

from gristmill.errors import DataError, short_repr
from gristmill.sources.archives import readable
from gristmill.sources.rows import check_columns

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SUFFIX = ".csv"

_LABEL = "label"
_MAX_HEADER_BYTES = 1 << 20
_MAX_REASON_LENGTH = 200  # characters; Arrow's messages may quote a whole row

Open = Callable[[], IO[bytes]]


def images_in(file: Open, where: str) -> "npt.NDArray[np.uint8]":
    """Return the images of a table, (images, side, side) or, in colour, (images, side, side, 3).

    Raises:
        DataError: columns are missing or in another order, or a cell is not a number from 0 to 255.
    """
    import numpy as np

    columns = _pixel_columns(file, where)
    return np.stack(_read(file, where, columns, "uint8"), axis=1).reshape(-1, *_shape(len(columns)))


def labels_in(file: Open, where: str) -> "npt.NDArray[np.int64]":
    """Return the labels of a table, (images,); see `images_in`."""
    _pixel_columns(file, where)
    return _read(file, where, [_LABEL], "int64")[0]


def _pixel_columns(file: Open, where: str) -> list[str]:
    """Return all columns but the label, which must be numbered row by row as in `pixel1` or `1x1`."""
    with readable(where), file() as opened:
        header = next(csv.reader([opened.readline(_MAX_HEADER_BYTES).decode("utf-8-sig")]), [])
    if header.count(_LABEL) != 1:
        check_columns(where, [_LABEL], header)
    columns = [name for name in header if name != _LABEL]
    for name, next_ in pairwise([_LABEL, *columns]):
        if not _numbers(name) < _numbers(next_):
            raise DataError(
                f"{where}: the column {short_repr(next_)} comes after {short_repr(name)}. Expected the label "
                "and one column a pixel, numbered row by row, such as pixel1, pixel2, …: remove or order the others."
            )
    if not _shape(len(columns)):
        raise DataError(
            f"{where}: {len(columns)} columns besides the label do not make a square image in grey or colour. "
            "Write the images as an .npz file."
        )
    return columns


def _numbers(name: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", name)]


def _shape(count: int) -> tuple[int, ...]:
    """Return the shape of a square image of `count` numbers, with three channels or without; () if there is none."""
    for channels in ((), (3,)):
        side = math.isqrt(count // math.prod(channels))
        if count and side * side * math.prod(channels) == count:
            return (side, side, *channels)
    return ()


def _read(file: Open, where: str, columns: Sequence[str], dtype: str) -> "list[npt.NDArray[Any]]":
    import pyarrow as pa
    from pyarrow import csv as tables

    types = dict.fromkeys(columns, pa.type_for_alias(dtype))
    # Arrow's messages name the row only with one thread. No value may be missing, so there are no null values.
    reading = tables.ReadOptions(use_threads=False)
    converting = tables.ConvertOptions(column_types=types, include_columns=list(columns), null_values=[])
    with readable(where), file() as opened:
        try:
            table = tables.read_csv(opened, read_options=reading, convert_options=converting)
        except pa.ArrowInvalid as error:
            reason = " ".join(str(error).split())[:_MAX_REASON_LENGTH]
            raise DataError(f"{where}: {reason}. Expected whole numbers, pixels from 0 to 255.") from None
    if not len(table):
        raise DataError(f"{where}: no rows below the header. Expected one for each image.")
    return [table.column(name).to_numpy() for name in columns]

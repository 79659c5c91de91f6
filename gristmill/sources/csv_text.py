"""Rows of a CSV file as Python's parser splits them, decoded."""

import codecs
import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from gristmill.errors import DataError
from gristmill.sources.packed import open_unpacked, read_bytes, unknown_encoding

MAX_CELL_LENGTH = 1 << 23  # characters; Python's own limit is much lower than the length of texts


@contextmanager
def open_rows(path: Path, encoding: str, separator: str) -> Iterator[Iterator[list[str]]]:
    """Yield the rows of a file and an empty one at the end, which is missing if a quote is never closed.

    Raises:
        DataError: the file is not of this encoding; the message names the first such row.
    """
    csv.field_size_limit(MAX_CELL_LENGTH)
    try:
        with open_unpacked(path) as raw, io.TextIOWrapper(raw, codec_of(path, encoding), newline="") as file:
            yield csv.reader(chain(file, [""]), delimiter=separator)
    except UnicodeError:
        row = _first_undecodable(path, encoding, separator)
        raise DataError(f"{path} row {row}: not {encoding}. Set the source's encoding.") from None


def codec_of(path: Path, encoding: str) -> str:
    """Return Python's name of an encoding; for UTF-8 the variant without a byte order mark."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except (LookupError, ValueError):  # not an encoding, or not one of text
        raise unknown_encoding(path, encoding) from None
    return "utf-8-sig" if name == "utf-8" else name


def _first_undecodable(path: Path, encoding: str, separator: str) -> int:
    content = read_bytes(path)
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "ignore") + "x"  # the cell that cannot be decoded
    except UnicodeError:
        return 1
    row = 0
    try:
        for _ in csv.reader(io.StringIO(before, newline=""), delimiter=separator):
            row += 1
    except csv.Error:  # the cell is too long as well
        return row + 1
    return row

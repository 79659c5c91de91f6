"""Rows of a CSV file as Python's parser splits them, decoded."""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from gristmill.errors import DataError
from gristmill.sources.packed import open_unpacked, read_bytes, unknown_encoding

MAX_CELL_LENGTH = 1 << 23  # characters; Python's own limit is much lower than the length of texts


@contextmanager
def open_rows(path: Path, encoding: str, separator: str, comment: str | None) -> Iterator[Iterator[list[str]]]:
    """Yield the rows of a file and an empty one at the end, which is missing if a quote is never closed.

    Comments are empty rows, so that all rows keep their numbers.

    Raises:
        DataError: the file is not of this encoding; the message names the first such row.
    """
    csv.field_size_limit(MAX_CELL_LENGTH)
    try:
        with open_unpacked(path) as raw, io.TextIOWrapper(raw, codec_of(path, encoding), newline="") as file:
            yield csv.reader(chain(without_comments(file, separator, comment), [""]), delimiter=separator)
    except UnicodeError:
        row = _first_undecodable(path, encoding, separator, comment)
        raise DataError(f"{path} row {row}: not {encoding}. Set the source's encoding.") from None


def without_comments(lines: Iterable[str], separator: str, comment: str | None) -> Iterable[str]:
    """Return the lines of a file, with comments replaced by empty lines.

    A comment is a line outside quotes whose first cell begins with the text `comment`, after spaces. Quotes in comments
    have no meaning, so comments must be removed before quotes are parsed.
    """
    return lines if comment is None else _blank_comments(iter(lines), separator, comment)


def is_comment(line: str, separator: str, comment: str) -> bool:
    """Return whether a line that begins outside quotes is a comment."""
    return line.partition(separator)[0].lstrip().startswith(comment)


def _blank_comments(lines: Iterator[str], separator: str, comment: str) -> Iterator[str]:
    taken: list[str] = []  # lines of one row: several if a quoted cell has line ends

    def take() -> Iterator[str]:
        for line in lines:
            starts_row = not taken
            taken.append(
                line[len(line.rstrip("\r\n")) :] if starts_row and is_comment(line, separator, comment) else line
            )
            yield taken[-1]

    for _ in csv.reader(take(), delimiter=separator):
        yield from taken
        taken.clear()


def codec_of(path: Path, encoding: str) -> str:
    """Return Python's name of an encoding; for UTF-8 the variant without a byte order mark."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except (LookupError, ValueError):  # not an encoding, or not one of text
        raise unknown_encoding(path, encoding) from None
    return "utf-8-sig" if name == "utf-8" else name


def _first_undecodable(path: Path, encoding: str, separator: str, comment: str | None) -> int:
    content = read_bytes(path)
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, "ignore") + "x"  # the cell that cannot be decoded
    except UnicodeError:
        return 1
    row = 0
    try:
        lines = without_comments(io.StringIO(before, newline=""), separator, comment)
        for _ in csv.reader(lines, delimiter=separator):
            row += 1
    except csv.Error:  # the cell is too long as well
        return row + 1
    return row

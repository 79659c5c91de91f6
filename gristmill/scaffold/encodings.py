"""Encodings of text files."""

import codecs
from collections.abc import Sequence
from pathlib import Path

from gristmill.errors import DataError, short_repr
from gristmill.scaffold.proposal import Guess

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_BINARY_BYTES = 64  # a NUL byte in so many first bytes says that a file is not text
_TRIED = ("utf-8", "cp1252", "latin-1")  # in this order; the last one accepts every byte


def encoding_of(where: Path, contents: Sequence[bytes]) -> str:
    """Return the encoding of files: that of a byte order mark, or the first tried one that decodes all of them."""
    starts = [content[:4] for content in contents]
    for start in starts:
        for mark, name in _BYTE_ORDER_MARKS.items():
            if start.startswith(mark):
                return name
    if b"PK\3\4" in starts:
        raise DataError(f"{where}: a zip archive or an Excel workbook. Unpack the archive, or save the sheet as CSV.")
    if all(_is_utf_16(content) for content in contents):
        return "utf-16-le"
    if binary := next((content for content in contents if b"\0" in content[:_BINARY_BYTES]), None):
        raise DataError(f"{where}: not text, it begins with {short_repr(binary[:8])}. Save it as a text file.")
    return next(encoding for encoding in _TRIED if all(_can_decode(content, encoding) for content in contents))


def _is_utf_16(content: bytes) -> bool:
    """Return whether every second byte of the beginning is NUL, as in English text in UTF-16 without a mark."""
    return len(content) > 1 and not any(content[1:_BINARY_BYTES:2]) and all(content[:_BINARY_BYTES:2])


def encoding_guesses(encoding: str) -> list[Guess]:
    """Return the setting of an encoding, unless it is the default."""
    if encoding == "utf-8":
        return []
    if encoding.startswith("utf-16"):
        return [Guess("encoding", encoding, "by its byte order mark" if encoding == "utf-16" else "by its NUL bytes")]
    return [Guess("encoding", encoding, "not utf-8; check that é, ü and ß came out right")]


def _can_decode(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True

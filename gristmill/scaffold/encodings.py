"""Encodings of text files."""

import codecs
from collections.abc import Mapping
from pathlib import Path

from gristmill.errors import DataError, count_of, short_repr
from gristmill.scaffold.proposal import Guess
from gristmill.sources.file_content import check_text

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def encoding_of(contents: Mapping[Path, bytes]) -> str:
    """Return the encoding of files: that of a byte order mark, or the first likely one that decodes all of them.

    Raises:
        DataError: a file is not text, or is not UTF-8 although at least as many files are.
    """
    for content in contents.values():
        for mark, name in _BYTE_ORDER_MARKS.items():
            if content.startswith(mark):
                return name
    for file, content in contents.items():
        check_text(file, content)
    # In English text in UTF-16 without a mark, every second byte is NUL. Otherwise, a file with a NUL is not text.
    starts = {path: content[:64] for path, content in contents.items()}
    if all(len(start) > 1 and not any(start[1::2]) and all(start[::2]) for start in starts.values()):
        return "utf-16-le"
    for path, start in starts.items():
        if b"\0" in start:
            begin = short_repr(start[:8].decode("latin-1"))
            raise DataError(f"{path}: not text, it begins with {begin}. Save it as a text file.")
    # Files in ASCII can have any of the encodings. All others must have the same.
    beyond_ascii = {path: content for path, content in contents.items() if not content.isascii()}
    other = [path for path, content in beyond_ascii.items() if not _can_decode(content, "utf-8")]
    if other and 2 * len(other) <= len(beyond_ascii):
        raise DataError(
            f"{other[0]}: not UTF-8 ({len(other):,} of {count_of(len(contents), 'files')}), but other files are. "
            "Save all of them as UTF-8."
        )
    encodings = ("utf-8", "cp1252", "latin-1")  # the last one accepts every byte
    return next(name for name in encodings if all(_can_decode(content, name) for content in contents.values()))


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

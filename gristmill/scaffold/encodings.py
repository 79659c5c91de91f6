"""In which encoding files of text are."""

import codecs
from collections.abc import Sequence
from pathlib import Path

from gristmill.errors import DataError, short_repr
from gristmill.scaffold.proposal import Guess

_MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_KNOWN = ("utf-8", "cp1252", "latin-1")  # tried in this order; the last one takes every byte


def encoding_of(where: Path, contents: Sequence[bytes]) -> str:
    """Return the encoding of files: that of a mark at their beginning, else the first of a few that all of them are in.

    Raises:
        DataError: they hold something else than text.
    """
    begins = [content[:4] for content in contents]
    if marked := next((name for begin in begins for mark, name in _MARKS.items() if begin.startswith(mark)), None):
        return marked
    if any(begin == b"PK\3\4" for begin in begins):
        raise DataError(f"{where}: a zip archive or an Excel workbook. Unpack the archive, or save the sheet as CSV.")
    if binary := next((content for content in contents if b"\0" in content), None):
        raise DataError(
            f"{where}: no text, it begins with {short_repr(binary[:8])}. Expected a text file: save it as one."
        )
    return next(encoding for encoding in _KNOWN if all(_is_in(encoding, content) for content in contents))


def encoding_guesses(encoding: str) -> list[Guess]:
    """Return the setting of an encoding that is not the usual one."""
    if encoding == "utf-8":
        return []
    why = (
        "by the mark at its beginning" if encoding == "utf-16" else "not utf-8; look whether é, ü and ß came out right"
    )
    return [Guess("encoding", encoding, why)]


def _is_in(encoding: str, content: bytes) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True

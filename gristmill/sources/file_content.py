"""Formats of files by their content, so that a file in another format is named instead of misread."""

import codecs
import re
from pathlib import Path

from gristmill.errors import DataError
from gristmill.sources.packed import open_unpacked

_SAVE_AS_CSV, _SAVE_AS_PARQUET = "Save the table as CSV.", "Save the table as Parquet."
_BINARY_FORMATS = {
    b"%PDF-": f"a PDF document. {_SAVE_AS_CSV}",
    b"PK\3\4": "a zip archive or an Excel workbook. Unpack the archive, or save the sheet as CSV.",
    b"\xd0\xcf\x11\xe0": "an Excel workbook. Save the sheet as CSV.",
    b"SQLite format 3\0": f"an SQLite database. {_SAVE_AS_CSV}",
    b"\x89HDF\r\n": f"an HDF5 file. {_SAVE_AS_PARQUET}",
    b"ARROW1\0\0": f"an Arrow file. {_SAVE_AS_PARQUET}",
    b"PAR1\x15": 'a Parquet file. Rename it so that it ends in .parquet, and set kind = "parquet".',
    b"\x1f\x8b": "compressed with gzip. Rename the file so that it ends in .gz.",
    b"BZh91AY": "compressed with bzip2. Decompress it, or compress it with gzip.",
    b"\xfd7zXZ\0": "compressed with xz. Decompress it, or compress it with gzip.",
    b"\x28\xb5\x2f\xfd": "compressed with zstd. Decompress it, or compress it with gzip.",
}
_TEXT_FORMATS = {
    r"(<!--.*?-->\s*)*<(!doctype html|html|head|body|table)\b": (
        "an HTML page, not a table. Download the table itself, or use its own URL."
    ),
    r"<\?xml": f"an XML document. {_SAVE_AS_CSV}",
    r"\{\\rtf": f"an RTF document. {_SAVE_AS_CSV}",
}
_JSON = r"\{\s*(\"[^\"\n]*\"\s*:|\})|\[\s*[\[{]"


def check_table(path: Path, kind: str) -> None:
    """Raise `DataError` if the content of a file shows another format than that of its kind: csv, jsonl or parquet."""
    with open_unpacked(path) as file:
        start = file.read(1024)
    check_text(path, start if kind != "parquet" else start.removeprefix(b"PAR1"))
    is_utf_16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = start.decode("utf-16" if is_utf_16 else "utf-8-sig", "ignore").lstrip()
    for pattern, what in _TEXT_FORMATS.items():
        if re.match(pattern, text, re.IGNORECASE | re.DOTALL):
            raise DataError(f"{path}: {what}")
    if kind != "jsonl" and re.match(_JSON, text):
        raise DataError(
            f"{path}: a JSON document, not a table. Write it as a .jsonl file with one object per row, each on its own "
            "line."
        )


def check_text(path: Path, content: bytes) -> None:
    """Raise `DataError` if a file has a binary format, which is known by its first bytes."""
    if what := next((what for first, what in _BINARY_FORMATS.items() if content.startswith(first)), None):
        raise DataError(f"{path}: {what}")

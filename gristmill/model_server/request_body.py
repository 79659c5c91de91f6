"""Bodies of `/predict`: rows as JSON, or a file as it is; both become a file that `predict` reads.

The kind of a file is that of its name, or of its content type, or is seen from its first bytes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from gristmill.errors import RequestError, short_repr
from gristmill.model_server.tensorflow_serving import parse_json

MAX_ROWS = 100_000  # of one request

ROWS_FILE = "rows.jsonl"  # file of the rows that a request has as JSON

_ROWS = "rows"
_MAX_NAME = 200  # bytes
_JSON = "application/json"
_SUFFIXES = {
    _JSON: ".json",
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "text/plain": ".txt",
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
    "image/webp": ".webp",
}
_FIRST_BYTES = {
    b"\xff\xd8\xff": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"RIFF": ".webp",
    b"{": ".json",
    b"[": ".json",
}
_PHOTOS = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")
_ANY_TYPE = ("", "application/x-www-form-urlencoded", "application/octet-stream")  # curl sends the second one


@dataclass(frozen=True)
class Content:
    """What a request asks to predict: a file, or nothing but options."""

    name: str = ""  # of the file
    data: bytes = b""
    options: Mapping[str, Any] = field(default_factory=dict)  # in addition to the rows


def read_content(body: bytes, file: str, content_type: str, column: str | None, photos: bool = False) -> Content:
    """Return what a request asks to predict.

    Args:
        body: the body as it was sent.
        file: name of the file in the address, if there is one.
        content_type: the header of this name.
        column: column of a row that is only a text, if the pipeline classifies texts.
        photos: whether the pipeline classifies photos.

    Raises:
        RequestError: the kind of the body is unknown, or it has no rows.
    """
    if not body:
        return Content()

    # The name becomes one in a folder of the request, so it has no folders itself.
    name = PurePosixPath(file).name
    if name in (".", "..") or not name.isprintable() or len(name.encode(errors="replace")) > _MAX_NAME:
        raise RequestError(f"{short_repr(name)} is not a name of a file. Use one such as new.csv.")
    suffix = PurePosixPath(name).suffix.lower() or _suffix(body, content_type, photos)

    # JSON has rows, options or both.
    if suffix == ".json":
        content = parse_json(body)
        if not isinstance(content, dict):
            content = {_ROWS: content}
        options = {key: value for key, value in content.items() if key != _ROWS}
        if _ROWS not in content:
            return Content(options=options)
        lines = "".join(f"{json.dumps(row)}\n" for row in _check_rows(content[_ROWS], column))
        return Content(ROWS_FILE, lines.encode(), options)

    # Other files stay as they are.
    if suffix not in _SUFFIXES.values() and suffix != ".jpeg":
        known = ", ".join(dict.fromkeys(_SUFFIXES.values()))
        raise RequestError(f"{name or 'the body'}: files named *{suffix} are not accepted. Expected one of {known}.")
    if body.count(b"\n") > MAX_ROWS and suffix not in _PHOTOS:
        raise RequestError(f"{name or 'the body'}: expected at most {MAX_ROWS:,} lines.")
    return Content(f"{PurePosixPath(name or 'body').stem}{suffix}", body)


def _suffix(body: bytes, content_type: str, photos: bool) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _SUFFIXES:
        return _SUFFIXES[kind]
    start = body.lstrip()[:8]
    seen = next((suffix for first, suffix in _FIRST_BYTES.items() if start.startswith(first)), None)
    if kind not in _ANY_TYPE or seen is None:
        known = [name for name, suffix in _SUFFIXES.items() if (suffix in _PHOTOS) == photos]
        problem = f"the body is not {'a photo' if photos else 'JSON'}"
        if kind not in _ANY_TYPE:
            problem = f"unknown Content-Type {short_repr(kind)}"
        raise RequestError(
            f"{problem}. Expected one of these values of Content-Type: {', '.join(known)}; or the name of the file in "
            f"the address, such as /predict/NAME/{'photo.jpg' if photos else 'new.csv'}."
        )
    return seen


def _check_rows(rows: Any, column: str | None) -> Iterator[dict[str, Any]]:
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list) or not rows:
        raise RequestError(f"{_ROWS}: expected a list of rows. Received: {short_repr(rows)}.")
    if len(rows) > MAX_ROWS:
        raise RequestError(f"{_ROWS}: expected at most {MAX_ROWS:,} rows. Received: {len(rows):,}.")
    for at, row in enumerate(rows):
        if column and isinstance(row, str):
            yield {column: row}
            continue
        if not isinstance(row, dict):
            raise RequestError(
                f"{_ROWS}[{at}]: expected an object with a value for each column. Received: {short_repr(row)}."
            )
        for name, value in row.items():
            if isinstance(value, dict | list):
                where, received = f"{_ROWS}[{at}].{name[:_MAX_NAME]}", short_repr(value)
                raise RequestError(f"{where}: expected a number, a text or null. Received: {received}.")
        yield row

"""Files of text, unpacked and decoded. A package, since each module of `gristmill.sources.rows` is a kind of source."""

from collections.abc import Callable
from pathlib import Path

from gristmill.errors import DataError
from gristmill.sources.packed import content_of

_MARK = "\ufeff"  # the byte order mark, which is no part of the text


def decoded(path: Path, encoding: str, read: Callable[[], bytes] | None = None, unit: str = "line") -> str:
    """Return the text of a file, without a byte order mark; its line ends stay as they are.

    Args:
        path: of the file, which is unpacked where it is named `.gz`.
        encoding: one that Python knows.
        read: what gives the bytes of the file, where it lies in an archive.
        unit: what a line is called in a message.

    Raises:
        DataError: naming the file, and the line from 1 on, of what cannot be read.
    """
    try:
        content = content_of(path, read() if read else None)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Fetch it, or mend its permissions.") from None
    try:
        return content.decode(encoding).removeprefix(_MARK)
    except UnicodeDecodeError as error:
        line = content[: error.start].decode(encoding, "ignore").count("\n") + 1
        raise DataError(f"{path} {unit} {line}: not {encoding}. Set the source's encoding.") from None
    except (LookupError, ValueError):  # no encoding, or one of something else than text
        raise DataError(
            f"{path}: unknown encoding {encoding!r}. Set the source's encoding to one that Python knows."
        ) from None

"""Errors of the store's disk, reported as `StoreError`."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from gristmill.errors import StoreError


@contextlib.contextmanager
def translate_disk_errors(root: Path) -> Iterator[None]:
    """Turn an `OSError` of the disk below `root` into a `StoreError`; other errors pass unchanged."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StoreError(f"{root}: the disk is full. Free space (gristmill gc) and run again.") from None
        if error.filename is None and error.errno not in (errno.EIO, errno.EROFS):
            raise
        place = Path(error.filename or root)
        if place.is_relative_to(root) or root.is_relative_to(place):
            raise StoreError(
                f"{place}: the store is not writable ({error.strerror}). "
                "Fix it, or set GRISTMILL_STORE or [defaults] store."
            ) from None
        raise

"""A store's disk that is full or cannot be written to, told as such."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from gristmill.errors import StoreError


@contextlib.contextmanager
def translate_disk_errors(root: Path) -> Iterator[None]:
    """Turn the failures of the store's disk into a `StoreError` that names the store; leave all others alone."""
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
                "Mend it, or set GRISTMILL_STORE or [defaults] store."
            ) from None
        raise

"""Folders beside an artifact's own, hidden, in which it is built or from which it vanishes: whose they are, by name."""

import os
import re
import shutil
import socket
import time
from pathlib import Path

from gristmill.processes import is_running

_KEY = 16  # characters of the key that a draft's name begins with


def draft_beside(final: Path) -> Path:
    """Return a name for a folder beside `final`, whose name begins with a key; it tells the process that uses it."""
    return final.parent / f".{final.name[:_KEY]}~{os.getpid()}~{time.monotonic_ns()}~{socket.gethostname()}"


def remove_abandoned(final: Path) -> None:
    """Remove drafts beside `final` whose process died: a kill leaves its folder behind."""
    for path in final.parent.glob(f".{final.name[:_KEY]}~*"):
        if is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def is_abandoned(draft: Path) -> bool:
    """Whether the process that a draft's name gives is known to be gone: it ran on this host and runs no more."""
    named = re.fullmatch(r"\.[0-9a-f]+~(\d+)~\d+~(.+)", draft.name)
    return named is not None and named[2] == socket.gethostname() and not is_running(int(named[1]))

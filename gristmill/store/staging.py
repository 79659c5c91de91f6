"""Folders beside an artifact's own, hidden, in which it is built or from which it vanishes: whose they are, by name."""

import os
import re
import shutil
import socket
import time
from pathlib import Path

from gristmill.util.processes import is_running, process_identity

_KEY = 16  # characters of the key that a draft's name begins with
_NAME = re.compile(r"\.[0-9a-f]+~(?P<pid>\d+)(?:~(?P<process>[\w-]+))?~\d+~(?P<host>.+)")


def draft_beside(final: Path) -> Path:
    """Return a name for a folder beside `final`, whose name begins with a key; it tells the process that uses it."""
    process = filter(
        None, (str(os.getpid()), process_identity(os.getpid()))
    )  # of some systems the id is all that is known
    return final.parent / "~".join([f".{final.name[:_KEY]}", *process, str(time.monotonic_ns()), socket.gethostname()])


def remove_abandoned(final: Path) -> None:
    """Remove drafts beside `final` whose process died: a kill leaves its folder behind."""
    for path in final.parent.glob(f".{final.name[:_KEY]}~*"):
        if is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def is_abandoned(draft: Path) -> bool:
    """Whether the process that a draft's name gives is known to be gone: it ran on this host and runs no more."""
    named = _NAME.fullmatch(draft.name)
    if named is None or named["host"] != socket.gethostname():
        return False
    return not is_running(int(named["pid"]), named["process"] or "")

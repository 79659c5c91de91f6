"""Hidden folders next to an artifact, in which it is built or removed; their names identify the process using them."""

import os
import re
import shutil
import socket
import time
from pathlib import Path

from gristmill.util.processes import is_running, process_identity

_KEY_LENGTH = 16  # characters of the key that begin a draft's name
_NAME_PATTERN = re.compile(r"\.[0-9a-f]+~(?P<pid>\d+)(?:~(?P<process>[\w-]+))?~\d+~(?P<host>.+)")


def draft_beside(final: Path) -> Path:
    """Return a name for a folder next to `final`, whose own name begins with a key."""
    process = filter(None, (str(os.getpid()), process_identity(os.getpid())))  # some systems only know the id
    prefix = f".{final.name[:_KEY_LENGTH]}"
    return final.parent / "~".join([prefix, *process, str(time.monotonic_ns()), socket.gethostname()])


def remove_abandoned(final: Path) -> None:
    """Remove the drafts that killed processes left next to `final`."""
    for path in final.parent.glob(f".{final.name[:_KEY_LENGTH]}~*"):
        if is_abandoned(path):
            shutil.rmtree(path, ignore_errors=True)


def is_abandoned(draft: Path) -> bool:
    """Return whether the process in a draft's name ran on this host and has ended."""
    match = _NAME_PATTERN.fullmatch(draft.name)
    if match is None or match["host"] != socket.gethostname():
        return False
    return not is_running(int(match["pid"]), match["process"] or "")

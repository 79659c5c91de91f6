"""Processes: gristmill's modules in new ones, whatever the user's folder holds; runs that end with their parent."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

PARENT = "GRISTMILL_PARENT"  # names the process with which the runs that it starts are to end
TEMPORARY = "GRISTMILL_TEMPORARY_API"  # the address of a server for one run, told to the processes that do its units

_PAUSE = 0.5  # seconds between looks at whether the parent is still there


def command(module: str, *words: str) -> tuple[list[str], dict[str, str]]:
    """Return command line and environment to run a module of gristmill as a script.

    `-P` keeps the current folder, where a user may have a `queue.py`, out of the search for modules.
    """
    root = str(Path(__file__).parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return [sys.executable, "-P", "-m", module, *words], os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def is_running(pid: int) -> bool:
    """Whether a process with this id exists on this host."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def end_with_parent() -> None:
    """Have this process be killed as soon as the one that `GRISTMILL_PARENT` names, which started it, is gone.

    Left alone, a run would ask its parent's server in vain for many minutes, and let no other run of its pipeline be.
    Nobody is left to be told how it ended; what it had finished is kept, and the next one goes on from there.
    """
    parent = int(os.environ.get(PARENT, os.getpid()))
    if parent != os.getpid():  # which loads the flows too
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PAUSE)
    os.kill(os.getpid(), signal.SIGKILL)

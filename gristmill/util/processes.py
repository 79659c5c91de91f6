"""Processes: gristmill's modules in new ones, whatever the user's folder holds; runs that end with their parent."""

import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

PARENT_VARIABLE = "GRISTMILL_PARENT"  # names the process with which the runs that it starts are to end
TEMPORARY_API_VARIABLE = (
    "GRISTMILL_TEMPORARY_API"  # the address of a server for one run, told to the processes that do its units
)

_ENDED = "ended"  # identity of a process that ended and whose parent has not asked how
_SECONDS_BETWEEN_CHECKS = 0.5  # seconds between looks at whether the parent is still there


def module_command(module: str, *words: str) -> tuple[list[str], dict[str, str]]:
    """Return command line and environment to run a module of gristmill as a script.

    `-P` keeps the current folder, where a user may have a `queue.py`, out of the search for modules.
    """
    root = str(Path(__file__).parent.parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return [sys.executable, "-P", "-m", module, *words], os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def process_identity(pid: int) -> str:
    """Return when a process began, which tells it from a later one with the same id; empty if the system cannot say.

    The id alone is not enough: in a container that is started again, the new run is process 1, as the killed one was.
    """
    try:
        if sys.platform == "darwin":
            return _began(pid)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The name of the program, in parentheses, may hold spaces; the state follows it, the start is the 20th field.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return _ENDED if fields[0] in "ZX" else f"{boot}-{fields[19]}"


def is_running(pid: int, known: str = "") -> bool:
    """Whether a process with this id exists on this host, and is the one of which `process_identity` is known, if "
    "it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not known or process_identity(pid) in ("", known)


def end_with_parent() -> None:
    """Have this process be killed as soon as the one that `GRISTMILL_PARENT` names, which started it, is gone.

    Left alone, a run would ask its parent's server in vain for many minutes, and let no other run of its pipeline be.
    Nobody is left to be told how it ended; what it had finished is kept, and the next one goes on from there.
    """
    parent = int(os.environ.get(PARENT_VARIABLE, os.getpid()))
    if parent != os.getpid():  # which loads the flows too
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _began(pid: int) -> str:
    """Return to the second when a process of macOS began, in letters and digits."""
    import subprocess  # late: elsewhere nobody needs it

    line, fixed = ["/bin/ps", "-o", "lstart=", "-p", str(pid)], {"LC_ALL": "C", "TZ": "UTC"}
    told = subprocess.run(line, env=fixed, capture_output=True, text=True, check=False).stdout
    return "".join(re.findall(r"\w+", told))


def terminate_on_interrupt() -> None:
    """Have Ctrl-C end this process as SIGTERM does, and not reach the processes that it starts: it ends them itself.

    Threads and processes inherit the blocked signal, so call this before any is started. A process that ignores SIGINT,
    as a shell's background jobs do, goes on ignoring it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        threading.Thread(target=_pass_interrupts_on, daemon=True).start()


def _pass_interrupts_on() -> None:
    main = threading.main_thread().ident or 0
    while signal.sigwait({signal.SIGINT}):
        signal.pthread_kill(main, signal.SIGTERM)  # a signal to the process may not wake the main thread


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_CHECKS)
    os.kill(os.getpid(), signal.SIGKILL)

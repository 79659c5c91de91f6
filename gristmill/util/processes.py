"""Processes: command lines of gristmill's modules, watchers of this process, process identities, and shutdown."""

import getpass
import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

PARENT_VARIABLE = "GRISTMILL_PARENT"  # id of the process that started this run and ends it
TEMPORARY_API_VARIABLE = "GRISTMILL_TEMPORARY_API"  # address of a Prefect server that lives as long as one run

_ENDED = "ended"  # identity of a process that ended but was not reaped
_SECONDS_BETWEEN_CHECKS = 0.5  # interval between checks of the parent process


def module_command(module: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Return command line and environment to run a module of gristmill as a script.

    `-P` keeps the current folder, where a user may have a `queue.py`, off the module search path.
    """
    root = str(Path(__file__).parent.parent.parent)
    paths = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return [sys.executable, "-P", "-m", module, *arguments], os.environ | {"PYTHONPATH": os.pathsep.join(paths)}


def start_watcher(module: str, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start a watcher of this process; it gets the id and identity of this process before the other arguments.

    It has a session of its own, so signals to the group of this process do not reach it. Its standard input is a pipe,
    which the kernel closes when this process ends.
    """
    line, environment = module_command(module, f"{os.getpid()}", process_identity(os.getpid()), *arguments)
    # A pipe of this process's output would stay open.
    silent = subprocess.DEVNULL
    return subprocess.Popen(
        line, env=environment, stdin=subprocess.PIPE, stdout=silent, stderr=silent, start_new_session=True
    )


def receive_requests() -> "tuple[queue.SimpleQueue[Any], IO[str]]":
    """Return the requests to this process, one a line of JSON, and the file for its answers.

    Other output goes to standard error. When the parent ends, this process is killed, even during its work: a graceful
    shutdown could wait many minutes for what ended with the parent.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=read, daemon=True).start()
    return requests, answers


def process_identity(pid: int) -> str:
    """Return the start time of a process, which identifies it if its id is reused; empty if it is not available.

    The id alone is not enough: in a restarted container the new run is process 1, as the killed one was.
    """
    try:
        if sys.platform == "darwin":
            # Take the start time to the second, in letters and digits.
            line, fixed = ["/bin/ps", "-o", "lstart=", "-p", str(pid)], {"LC_ALL": "C", "TZ": "UTC"}
            output = subprocess.run(line, env=fixed, capture_output=True, text=True, check=False).stdout
            return "".join(re.findall(r"\w+", output))
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        # The name of the program, in parentheses, may hold spaces; the state follows it, the start is the 20th field.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return _ENDED if fields[0] in "ZX" else f"{boot}-{fields[19]}"


def is_running(pid: int, identity: str = "") -> bool:
    """Return whether a process runs on this host under an id, and has the given identity if one is given."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return not identity or process_identity(pid) in ("", identity)


def user_name() -> str:
    """Return the name of the user of this process; the number of a user without a name, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # before and since Python 3.13
        return str(os.getuid())


def end_with_parent() -> None:
    """Kill this process as soon as the process in `GRISTMILL_PARENT` has ended.

    Otherwise a run would call its parent's server in vain for many minutes and block other runs of its pipeline.
    Finished stages are kept, and the next run resumes from them.
    """
    parent = int(os.environ.get(PARENT_VARIABLE, os.getpid()))
    if parent != os.getpid():  # the parent loads the flows too
        threading.Thread(target=_kill_without_parent, args=(parent,), daemon=True).start()


def terminate_on_interrupt() -> None:
    """Make Ctrl-C end this process as SIGTERM does, without reaching its child processes: it ends them itself.

    Call it before any thread or process is started, because they inherit the blocked signal. A process that ignores
    SIGINT, as background jobs of a shell do, still ignores it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        threading.Thread(target=_forward_interrupts, daemon=True).start()


def _forward_interrupts() -> None:
    main = threading.main_thread().ident or 0
    while signal.sigwait({signal.SIGINT}):
        signal.pthread_kill(main, signal.SIGTERM)  # a signal to the process may not wake the main thread


def _kill_without_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_CHECKS)
    os.kill(os.getpid(), signal.SIGKILL)

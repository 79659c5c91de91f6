"""Prefect's API for a local run: the one that Prefect's settings name, else a temporary server that ends with the run.

Prefect can start a temporary server by itself, but one whose parent is killed would stay for ever. This one reads its
standard input, a pipe that the kernel closes when the parent is gone, however it went.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from gristmill.errors import RequestError, WorkError
from gristmill.processes import command

PATIENCE = 60  # seconds for a cold start with a new database; 16 were seen

# A server for one run has no schedules to look after, and tells nobody about itself.
_ENVIRONMENT = {
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT_UI_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}

# One that keeps schedules has all its services and a page; a slot of a killed run is free again at once.
_KEEPING = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
}

_started: list["subprocess.Popen[bytes]"] = []  # referenced, so that the pipe to it stays open


def ensure_api(show_log: bool = False, meanwhile: Callable[[], None] = lambda: None, schedules: bool = False) -> str:
    """Return the address of a Prefect API that answers, and have this process use it.

    A temporary server lives as long as this process, so that what Prefect still has to say at the exit arrives.

    Args:
        show_log: let a temporary server write to standard error.
        meanwhile: called while a temporary server starts, which takes seconds.
        schedules: have a temporary server look after schedules and triggers, and show its page.

    Raises:
        WorkError: the API that the settings name does not answer, or the temporary server does not start.
    """
    from prefect.context import refresh_global_settings_context
    from prefect.settings import PREFECT_API_URL

    named: str | None = PREFECT_API_URL.value()
    if named:
        _check(named)
        meanwhile()
        return named
    process, url = _start(show_log, schedules)
    meanwhile()
    _wait_for(url, process)
    os.environ["PREFECT_API_URL"] = url
    refresh_global_settings_context()
    return url


def ensure_named_api(command: str) -> str:
    """Return the address of the Prefect API that the settings name, for what must outlast this process.

    Raises:
        RequestError: they name none; the message begins with `command`.
        WorkError: it does not answer.
    """
    from prefect.settings import PREFECT_API_URL

    if not PREFECT_API_URL.value():
        raise RequestError(
            f"{command}: no Prefect server is named. Start one (prefect server start) and set PREFECT_API_URL to its "
            "address, such as http://127.0.0.1:4200/api."
        )
    return ensure_api()


def _check(url: str) -> None:
    """Raise `WorkError` where no Prefect API answers at `url`."""
    import httpx

    try:
        httpx.get(f"{url}/health", timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise WorkError(
            f"Prefect's API at {url} does not answer ({error}). Start it, or unset PREFECT_API_URL."
        ) from None


def _start(show_log: bool, schedules: bool) -> tuple["subprocess.Popen[bytes]", str]:
    port = _free_port()
    line, environment = command("gristmill.server", str(port))
    # The page asks the API at the port that the settings name, not at the one that the program listens at.
    kind = _KEEPING | {"PREFECT_SERVER_API_PORT": str(port)} if schedules else _ENVIRONMENT
    process = subprocess.Popen(
        line,
        env=environment | kind,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=None if show_log else subprocess.DEVNULL,
    )
    _started.append(process)
    return process, f"http://127.0.0.1:{port}/api"


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(WorkError):  # not up yet
            _check(url)
            return
        time.sleep(0.1)
    raise WorkError("Prefect's temporary server did not start. Run with -v before the command to see its log.")


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _serve(port: int) -> None:
    import uvicorn

    threading.Thread(target=_end_with_parent, daemon=True).start()
    uvicorn.run("prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    _serve(int(sys.argv[1]))

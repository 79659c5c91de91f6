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
from collections.abc import Callable, Iterator
from functools import partial

from gristmill.errors import RequestError, WorkError
from gristmill.training import progress
from gristmill.util.gc_freeze import gc_frozen
from gristmill.util.processes import TEMPORARY_API_VARIABLE, module_command
from gristmill.util.telemetry import opt_out
from gristmill.util.urls import strip_credentials

opt_out()  # every command imports this module, which imports Prefect later

PATIENCE = 60  # seconds for a cold start with a new database; 16 were seen
SILENCE = 40  # seconds without an answer after which a run's API is lost; Prefect's own client asks for longer
LOOKS = 4  # at least that find no answer: time alone also passes while this process is stopped

_PAUSE = 2  # seconds between looks whether it answers

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

# No page of another site reads what it answers or, for lack of a token, changes anything.
_GUARDED = {"PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true"}

_started: dict[str, "subprocess.Popen[bytes]"] = {}  # by address; referenced, so that the pipe to it stays open


def ensure_api(show_log: bool = False, schedules: bool = False) -> str:
    """Return the address of a Prefect API that answers, and have this process use it.

    A temporary server lives as long as this process, so that what Prefect still has to say at the exit arrives.

    Args:
        show_log: let a temporary server write to standard error.
        schedules: have a temporary server look after schedules and triggers, and show its page.

    Raises:
        WorkError: the API that the settings name does not answer or lets nobody in, or the temporary server does not
            start.
    """
    return starting_api(show_log, schedules)()


def starting_api(show_log: bool = False, schedules: bool = False) -> Callable[[], str]:
    """Start the temporary server of `ensure_api`, which takes seconds, if need be; return what waits for the API.

    Raises:
        WorkError: the API that the settings name does not answer or lets nobody in.
    """
    if named := named_api():
        _check(named)
        address = named
        return lambda: address
    running = [] if schedules else [(url, process) for url, process in _started.items() if process.poll() is None]
    url, process = running[0] if running else _start(show_log, schedules)  # left by a call that failed before its use
    return partial(_use_when_ready, url, process, schedules)


def named_api() -> str | None:
    """Return the address of the Prefect API that the settings name, None where they name none. Load Prefect first."""
    if "prefect" not in sys.modules:
        progress.report_work("prefect", "starting")
    with gc_frozen():
        from prefect.settings import PREFECT_API_URL

    named: str | None = PREFECT_API_URL.value()
    return named


def use_api(url: str) -> None:
    """Have this process use an API."""
    from prefect.context import refresh_global_settings_context

    os.environ["PREFECT_API_URL"] = url
    refresh_global_settings_context()


def ensure_named_api(command: str) -> str:
    """Return the address of the Prefect API that the settings name, as it may be shown, for what outlasts this process.

    Raises:
        RequestError: they name none; the message begins with `command`.
        WorkError: it does not answer.
    """
    if not named_api():
        raise RequestError(
            f"{command}: no Prefect server is named. Start one (prefect server start) and set PREFECT_API_URL to its "
            "address, such as http://127.0.0.1:4200/api."
        )
    return strip_credentials(ensure_api())


@contextlib.contextmanager
def runs_watched_by(url: str) -> Iterator[None]:
    """Tag the runs of flows that start here, and have them send heartbeats where their server outlives them.

    By both, the automation *gristmill: silent runs* of a server finds a run whose process is gone. A temporary server
    has no such automation and ends with its run, which would wait at its end, for up to a second, for the thread that
    sends heartbeats.
    """
    from prefect import tags
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from gristmill.config.deployments import HEARTBEAT_SECONDS, TAG

    heartbeat = None if url == os.environ.get(TEMPORARY_API_VARIABLE) else HEARTBEAT_SECONDS
    with tags(TAG), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: heartbeat}):
        yield


@contextlib.contextmanager
def watched(url: str, lost: Callable[[str, str], object]) -> Iterator[None]:
    """Look in the background whether an API still answers; where it has not for long, call `lost` with it and why."""
    over = threading.Event()
    threading.Thread(target=_watch, args=(url, lost, over), daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _watch(url: str, lost: Callable[[str, str], object], over: threading.Event) -> None:
    since, looks = 0.0, 0  # of the silence
    while not over.wait(_PAUSE):
        ended = url in _started and _started[url].poll() is not None
        why = "its process has ended" if ended else _amiss(url)
        now = time.monotonic()
        since, looks = (since if looks else now, looks + 1) if why else (0.0, 0)
        if ended or (looks >= LOOKS and now - since >= SILENCE):
            if not over.is_set():
                lost(url, why)
            return


def _check(url: str) -> None:
    """Raise `WorkError` where no API that Prefect's client can talk to answers at `url`, which its settings name."""
    from prefect.client.orchestration import get_client

    from gristmill.prefect_runtime.api_errors import refusals_told

    shown = strip_credentials(url)
    if why := _amiss(url):
        raise WorkError(
            f"Prefect's API at {shown} does not answer ({why}). Start it, or correct or unset PREFECT_API_URL."
        )
    try:
        with refusals_told(), get_client(sync_client=True) as client:
            client.raise_for_api_version_mismatch()
    except RuntimeError as error:
        raise WorkError(
            f"Prefect's client cannot work with what answers at {shown} ({str(error).rstrip('.')}). "
            "Correct PREFECT_API_URL, or update Prefect."
        ) from None


def _amiss(url: str) -> str:
    """Return why what is at `url` is no Prefect API that answers; nothing if it is one."""
    import httpx

    try:
        httpx.get(f"{url}/health", timeout=10).raise_for_status().json()
    except httpx.HTTPError as error:
        return strip_credentials(str(error).partition("\n")[0]) or type(error).__name__
    except httpx.InvalidURL:
        return "that is no URL"
    except ValueError:
        return "what it says is no JSON"
    return ""


def _start(show_log: bool, schedules: bool) -> tuple[str, "subprocess.Popen[bytes]"]:
    # The server inherits the listening socket, so that no other program can take its port before it listens. This
    # process closes its own copy: requests to a server that has ended are then refused, and do not wait for an answer.
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        own = f"http://127.0.0.1:{port}"
        line, environment = module_command("gristmill.prefect_runtime.server", str(listening.fileno()))
        # The page asks the API at the port that the settings name, not at the one that the program listens at.
        kind = _KEEPING | {"PREFECT_SERVER_API_PORT": str(port)} if schedules else _ENVIRONMENT
        process = subprocess.Popen(
            line,
            env=environment | kind | _GUARDED | {"PREFECT_SERVER_CORS_ALLOWED_ORIGINS": own},
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None if show_log else subprocess.DEVNULL,
            process_group=0,  # Ctrl-C must not reach the server: the run still reports its end to it
        )
    url = f"{own}/api"
    _started[url] = process
    return url, process


def _use_when_ready(url: str, process: "subprocess.Popen[bytes]", schedules: bool) -> str:
    """Wait for a temporary server and have this process use it."""
    _wait_for(url, process)
    os.environ |= {} if schedules else {TEMPORARY_API_VARIABLE: url}
    use_api(url)
    return url


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if not _amiss(url):
            return
        time.sleep(0.1)
    raise WorkError("Prefect's temporary server did not start. Run with -v before the command to see its log.")


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def _serve(descriptor: int) -> None:
    """Serve Prefect's API on a listening socket that this process has inherited."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with gc_frozen():
        import uvicorn
        from prefect.server.api.server import create_app

    with socket.socket(fileno=descriptor) as listening:
        uvicorn.Server(uvicorn.Config(create_app, factory=True, log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    _serve(int(sys.argv[1]))

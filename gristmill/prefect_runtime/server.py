"""Prefect's API for local runs: the one in Prefect's settings, or a temporary server that ends with this process.

Prefect's own temporary server would survive if its parent is killed. This one reads its standard input, a pipe that
the kernel closes when the parent ends in any way.
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

opt_out()  # every command imports this module before Prefect

START_TIMEOUT = 60  # seconds for a cold start with a new database, which took up to 16
MAX_SILENCE = 40  # seconds without an answer after which a run's API counts as lost; Prefect's client waits longer
MIN_FAILED_CHECKS = 4  # also required, because time passes while this process is suspended

_CHECK_INTERVAL = 2  # seconds
_LOOPBACK = "127.0.0.1"

# A server for one run needs no schedulers.
_RUN_SERVER = {
    "PREFECT_UI_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}

# A server for schedules has all services and a page; concurrency slots of killed runs are freed at once.
_SCHEDULE_SERVER = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
}

# Pages of other sites can neither read its answers nor, without a token, change anything.
_PROTECTION = {"PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true"}

_servers: dict[str, "subprocess.Popen[bytes]"] = {}  # by address; the reference keeps the pipe open


def ensure_api(schedules: bool = False) -> str:
    """Return the address of a running Prefect API, and let this process use it; see `start_api`."""
    return start_api(schedules=schedules)()


def start_api(show_log: bool = False, schedules: bool = False) -> Callable[[], str]:
    """Start a temporary server, unless there is an API; return a function that waits for it and returns its address.

    The server ends with this process, so that Prefect can still send its last events at the exit.

    Args:
        show_log: let it write its log to standard error.
        schedules: let it run schedules and triggers, and show its page.
    """
    if named := named_api():
        _check_api(named)
        address = named
        return lambda: address
    running = [] if schedules else [(url, process) for url, process in _servers.items() if process.poll() is None]
    url, process = running[0] if running else _start_server(show_log, schedules)  # one may be left by a failed call
    return partial(_wait_and_use, url, process, schedules)


def named_api() -> str | None:
    """Return the address of the Prefect API in Prefect's settings, if there is one; this loads Prefect."""
    if "prefect" not in sys.modules:
        progress.report_work("prefect", "starting")
    with gc_frozen():
        from prefect.settings import PREFECT_API_URL

    named: str | None = PREFECT_API_URL.value()
    return named


def use_api(url: str) -> None:
    """Let this process use an API."""
    from prefect.context import refresh_global_settings_context

    os.environ["PREFECT_API_URL"] = url
    refresh_global_settings_context()


def ensure_named_api(command: str) -> str:
    """Return the address, without credentials, of the Prefect API in the settings, for work that outlasts this process.

    Raises:
        RequestError: the settings name none; the message begins with `command`.
        WorkError: it does not answer.
    """
    if not named_api():
        raise RequestError(
            f"{command}: no Prefect server is named. Start one (prefect server start) and set PREFECT_API_URL to its "
            "address, such as http://127.0.0.1:4200/api."
        )
    return strip_credentials(ensure_api())


@contextlib.contextmanager
def tag_runs(url: str) -> Iterator[None]:
    """Tag the flow runs that start within the block, and let them send heartbeats.

    Tag and heartbeats let the automation *gristmill: silent runs* find runs whose process is gone. A temporary server
    has no such automation, and waiting for the heartbeat thread would delay the end by up to a second.
    """
    from prefect import tags
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from gristmill.deployment.prefect_file import HEARTBEAT_SECONDS, TAG

    heartbeat = None if url == os.environ.get(TEMPORARY_API_VARIABLE) else HEARTBEAT_SECONDS
    with tags(TAG), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: heartbeat}):
        yield


@contextlib.contextmanager
def watch_api(url: str, on_lost: Callable[[str, str], object]) -> Iterator[None]:
    """Check in the background whether an API still answers; if not, call `on_lost` with its address and the reason."""
    stopped = threading.Event()
    threading.Thread(target=_watch, args=(url, on_lost, stopped), daemon=True).start()
    try:
        yield
    finally:
        stopped.set()


def _watch(url: str, on_lost: Callable[[str, str], object], stopped: threading.Event) -> None:
    failures: list[float] = []  # times of the checks that have failed since the last answer
    while not stopped.wait(_CHECK_INTERVAL):
        ended = url in _servers and _servers[url].poll() is not None
        problem = "its process has ended" if ended else _find_problem(url)
        failures = [*failures, time.monotonic()] if problem else []
        is_lost = len(failures) >= MIN_FAILED_CHECKS and failures[-1] - failures[0] >= MAX_SILENCE
        if ended or is_lost:
            if not stopped.is_set():
                on_lost(url, problem)
            return


def _check_api(url: str) -> None:
    """Raise `WorkError` unless a compatible API answers at `url`."""
    from prefect.client.orchestration import get_client

    from gristmill.prefect_runtime.api_errors import one_line_api_errors

    shown = strip_credentials(url)
    if problem := _find_problem(url):
        raise WorkError(
            f"Prefect's API at {shown} does not answer ({problem}). Start it, or correct or unset PREFECT_API_URL."
        )
    try:
        with one_line_api_errors(), get_client(sync_client=True) as client:
            client.raise_for_api_version_mismatch()
    except RuntimeError as error:
        raise WorkError(
            f"Prefect's client cannot work with the server at {shown} ({str(error).rstrip('.')}). "
            "Correct PREFECT_API_URL, or update Prefect."
        ) from None


def _find_problem(url: str) -> str:
    """Return why there is no working Prefect API at `url`; empty if there is one."""
    import httpx

    encrypted = url.lower().startswith("https")  # loading certificates takes longer than the request
    try:
        httpx.get(f"{url}/health", timeout=10, verify=encrypted).raise_for_status().json()
    except httpx.HTTPError as error:
        return strip_credentials(str(error).partition("\n")[0]) or type(error).__name__
    except httpx.InvalidURL:
        return "invalid URL"
    except ValueError:
        return "its answer is not JSON"
    return ""


def _start_server(show_log: bool, schedules: bool) -> tuple[str, "subprocess.Popen[bytes]"]:
    # Let this process and its children reach servers on this machine without the proxy in the environment.
    hosts = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    if not {"*", _LOOPBACK} & {host.strip() for host in hosts.split(",")}:
        os.environ |= dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(filter(None, (hosts, _LOOPBACK))))
    # The server inherits the listening socket, so no other program can take its port. This process closes its copy, so
    # that requests to a server that has ended are refused instead of waiting.
    with socket.create_server((_LOOPBACK, 0)) as listening:
        port = listening.getsockname()[1]
        origin = f"http://{_LOOPBACK}:{port}"
        kind = "schedules" if schedules else "run"
        line, environment = module_command("gristmill.prefect_runtime.server", str(listening.fileno()), kind)
        # The page uses the port in the settings, not the one that the server listens at.
        settings = _SCHEDULE_SERVER | {"PREFECT_SERVER_API_PORT": str(port)} if schedules else _RUN_SERVER
        process = subprocess.Popen(
            line,
            env=environment | settings | _PROTECTION | {"PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origin},
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=None if show_log else subprocess.DEVNULL,
            process_group=0,  # Ctrl-C must not stop the server, because the run still reports its end to it
        )
    url = f"{origin}/api"
    _servers[url] = process
    return url, process


def _wait_and_use(url: str, process: "subprocess.Popen[bytes]", schedules: bool) -> str:
    """Wait for a temporary server and let this process use it."""
    deadline = time.monotonic() + START_TIMEOUT
    while _find_problem(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise WorkError("Prefect's temporary server did not start. Run with -v before the command to see its log.")
        time.sleep(0.1)
    os.environ |= {} if schedules else {TEMPORARY_API_VARIABLE: url}
    use_api(url)
    return url


def _serve(descriptor: int, kind: str) -> None:
    """Serve Prefect's API on an inherited listening socket; a server for a `run` has no background services."""

    def end_with_parent() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=end_with_parent, daemon=True).start()
    with gc_frozen():
        import uvicorn
        from prefect.server.api.server import create_app

    with socket.socket(fileno=descriptor) as listening:
        app = partial(create_app, ephemeral=kind == "run")
        uvicorn.Server(uvicorn.Config(app, factory=True, log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2])

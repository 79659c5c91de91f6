"""Prefect's API: one that is named must answer; a temporary server ends with the process that started it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from support import wait_until

from gristmill import server
from gristmill.errors import WorkError
from gristmill.store import is_running

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No API is named at first; afterwards it is the one that was named before."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(server, "_started", [])
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of an API whose port nobody listens at, and nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/api"


@pytest.fixture(params=[200])
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an API whose health is answered with a status of HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param if self.path == "/api/health" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}/api"
        httpd.shutdown()
        thread.join()


def ensure(url: str) -> str:
    """Ensure an API where the settings name this one."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: url}):
        return server.ensure_api()


def test_a_named_api_that_answers_is_taken_and_none_is_started(answering: str) -> None:
    assert ensure(answering) == answering
    assert server._started == []


def test_a_named_api_that_is_not_there_is_said(refusing: str) -> None:
    with pytest.raises(WorkError, match=rf"^Prefect's API at {refusing} does not answer \(.+\)\. Start it, or unset P"):
        ensure(refusing)
    assert server._started == []


@pytest.mark.parametrize("answering", [404, 500], indirect=True)
def test_what_answers_but_is_no_api_in_health_is_said(answering: str) -> None:
    with pytest.raises(WorkError, match=rf"^Prefect's API at {answering} does not answer"):
        ensure(answering)


def test_a_temporary_server_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(WorkError, match=r"^Prefect's temporary server did not start\. Run with -v"):
        server.ensure_api()
    assert "PREFECT_API_URL" not in os.environ


CODE = """
import sys
from prefect.settings import PREFECT_API_URL
from gristmill import server
url = server.ensure_api()
print(url, PREFECT_API_URL.value(), server._started[0].pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent(tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    """A process that ensures an API and lives until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_HOME": str(tmp_path / "prefect")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError:
        return False
    return True


def has_ended(pid: int) -> bool:
    """Whether a process has ended; where nobody asks after it, as in some containers, it stays as a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
    except OSError:
        return not is_running(pid)
    return state.startswith("Z")


@pytest.mark.slow
@pytest.mark.parametrize("killed", [True, False])
def test_a_temporary_server_answers_on_loopback_and_ends_with_its_parent(
    parent: "subprocess.Popen[str]", killed: bool
) -> None:
    import httpx

    assert parent.stdout is not None
    url, used, word = parent.stdout.readline().split()
    pid, port = int(word), int(url.split(":")[2].removesuffix("/api"))
    try:
        assert url == used == f"http://127.0.0.1:{port}/api"
        assert httpx.get(f"{url}/health", timeout=60).json() is True
        assert not answers("127.0.0.2", port)  # it would, were it bound to all addresses
        assert not has_ended(pid)
        if killed:
            parent.send_signal(signal.SIGKILL)
        parent.communicate()
        assert parent.returncode == (-signal.SIGKILL if killed else 0)
        wait_until(lambda: has_ended(pid), "the server to end")
        assert not answers("127.0.0.1", port)
    finally:
        if not has_ended(pid):
            os.kill(pid, signal.SIGKILL)

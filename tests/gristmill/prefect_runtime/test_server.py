"""Prefect's API: one that is named must answer; a temporary server ends with the process that started it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import prefect
import pytest

from gristmill.deployment import prefect_file as deployments
from gristmill.errors import WorkError
from gristmill.prefect_runtime import server
from gristmill.util.processes import is_running
from helpers.scoreboard import Fault
from helpers.servers import make_prefect_home
from helpers.support import wait_until

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No API is named at first; afterwards it is the one that was named before."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(server, "_servers", {})
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of an API whose port nobody listens at, and nobody else can take."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/api"


SOUND = {"/api/health": (200, "true"), "/api/admin/version": (200, json.dumps(prefect.__version__))}


@pytest.fixture(params=[SOUND])
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an API that answers as it is told to: a status and a text by path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = request.param.get(self.path, (404, ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

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
    assert server._servers == {}


@pytest.mark.fault(30)
def test_a_named_api_that_is_not_there_is_said(refusing: str, fault: Fault) -> None:
    said = rf"Prefect's API at {refusing} does not answer \(.+\)\. Start it, or correct or unset PREFECT_API_URL\."
    with pytest.raises(WorkError) as raised:
        ensure(refusing)
    assert re.fullmatch(said, str(raised.value))
    assert server._servers == {}
    fault.said(str(raised.value))


@pytest.mark.fault(30)
@pytest.mark.parametrize("answering", [SOUND, {}, {"/api/health": (200, "true")}], indirect=True)
def test_the_password_in_an_address_is_not_shown(answering: str) -> None:
    from prefect.settings import PREFECT_API_URL, temporary_settings

    secret = answering.replace("://", "://ann:hid@den@")
    try:
        with temporary_settings({PREFECT_API_URL: secret}):
            shown = server.ensure_named_api("deploy")
    except WorkError as error:
        shown = str(error)

    assert answering in shown
    assert not any(part in shown for part in ("ann:", "hid", "den@"))


@pytest.mark.fault(30)
def test_what_is_no_address_is_said() -> None:
    with pytest.raises(WorkError) as raised:
        ensure("http://ann:hid/den@host/api")
    assert str(raised.value) == (
        "Prefect's API at http://host/api does not answer (invalid URL). Start it, or correct or unset PREFECT_API_URL."
    )


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    ("answering", "said"),
    [
        ({}, r"Prefect's API at \S+ does not answer \(Client error '404 Not Found' for url '\S+'\)\. Start it, .+"),
        (
            {"/api/health": (500, "")},
            r"Prefect's API at \S+ does not answer \(Server error '500 Internal Server Error' for url '\S+'\)\. .+",
        ),
        (
            dict.fromkeys(SOUND, (200, "<html>")),
            r"Prefect's API at \S+ does not answer \(its answer is not JSON\)\. Start it, .+",
        ),
        (
            SOUND | {"/api/admin/version": (401, "")},
            r"Prefect's API rejected the request \(Client error '401 Unauthorized' .+\)\. Set PREFECT_API_AUTH_STR.+",
        ),
        (
            SOUND | {"/api/admin/version": (500, "")},
            r"Prefect's client cannot work with the server at (\S+) \(Failed to reach API at \1/\)\. Correct .+",
        ),
        (
            SOUND | {"/api/admin/version": (200, '"2.20.1"')},
            r"Prefect's client cannot work with .+ \(Found incompatible versions: client: \S+, server: 2.20.1\. [^.]+\)"
            r"\. Correct PREFECT_API_URL, or update Prefect\.",
        ),
    ],
    indirect=["answering"],
    ids=["no such page", "not in health", "a page of something else", "a key is asked for", "only in health", "old"],
)
def test_what_answers_but_is_no_api_to_run_with_is_said(answering: str, said: str, fault: Fault) -> None:
    with pytest.raises(WorkError) as raised:
        ensure(answering)
    assert re.fullmatch(said, str(raised.value))
    fault.said(str(raised.value))


@pytest.mark.fault(30)
@pytest.mark.parametrize(
    ("clock", "answered", "looks"),
    [
        ([1, 2, 3, 4, 5], {0}, 5),
        ([1, 2, 3, 4, 5, 6, 7], {2}, 7),  # it was only started again
        ([1, 99, 100, 101], set(), 4),  # this process was stopped for long
        ([1, 2, 3, 9], set(), 4),
        ([1, 2, 2.5, 3, 4], set(), 5),
    ],
)
def test_an_api_that_is_silent_for_long_and_for_many_looks_is_lost(
    monkeypatch: pytest.MonkeyPatch, clock: list[float], answered: set[int], looks: int
) -> None:
    looked, lost = count(), []
    monkeypatch.setattr(server, "MAX_SILENCE", 3)
    monkeypatch.setattr(server, "_CHECK_INTERVAL", 0)
    monkeypatch.setattr(server, "_find_problem", lambda _: "" if next(looked) in answered else "silent")
    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=iter(clock).__next__))

    server._watch("http://api", lambda *why: lost.append(why), threading.Event())

    assert (lost, next(looked)) == ([("http://api", "silent")], looks)


@pytest.mark.fault(30)
def test_a_temporary_server_whose_process_has_ended_is_lost_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen([str(shutil.which("false"))])
    ended.wait()
    lost = []
    monkeypatch.setattr(server, "_CHECK_INTERVAL", 0)
    monkeypatch.setattr(server, "_servers", {"http://api": ended})

    server._watch("http://api", lambda *why: lost.append(why), threading.Event())

    assert lost == [("http://api", "its process has ended")]


@pytest.mark.fault(30)
def test_an_api_that_falls_silent_when_the_run_is_over_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    looking, over, lost = threading.Event(), threading.Event(), []

    def amiss(_: str) -> str:
        looking.set()
        over.wait(60)
        return "silent"

    monkeypatch.setattr(server, "MAX_SILENCE", 0)
    monkeypatch.setattr(server, "MIN_FAILED_CHECKS", 1)
    monkeypatch.setattr(server, "_CHECK_INTERVAL", 0)
    monkeypatch.setattr(server, "_find_problem", amiss)
    before = set(threading.enumerate())

    with server.watch_api("http://api", lambda *why: lost.append(why)):
        (watcher,) = set(threading.enumerate()) - before
        assert looking.wait(60)
    over.set()
    watcher.join(60)

    assert (lost, watcher.is_alive()) == ([], False)


@pytest.mark.fault(30)
def test_a_temporary_server_that_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(WorkError, match=r"^Prefect's temporary server did not start\. Run with -v"):
        server.ensure_api()
    assert "PREFECT_API_URL" not in os.environ


def test_the_port_of_a_temporary_server_is_its_own_from_the_start_and_free_when_it_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, ports = subprocess.Popen, []

    def start(line: list[str], *, env: dict[str, str], **options: Any) -> "subprocess.Popen[bytes]":
        ports.append(int(env["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"].rpartition(":")[2]))
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", ports[0])).close()
        return real(line, env=env, **options)

    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(WorkError, match="did not start"):
        server.ensure_api()

    assert not answers("127.0.0.1", ports[0])


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "127.0.0.1"), ("*", "*"), ("a.org", "a.org,127.0.0.1"), ("a.org, 127.0.0.1", "a.org, 127.0.0.1")],
)
def test_a_temporary_server_is_reached_without_a_proxy(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    monkeypatch.setenv("NO_PROXY", before)
    with pytest.raises(WorkError):
        server.ensure_api()
    assert (os.environ["no_proxy"] or os.environ["NO_PROXY"]) == after


def test_a_server_whose_start_nobody_waited_for_is_taken_by_the_next_call(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    gone, left = SimpleNamespace(poll=lambda: 1), SimpleNamespace(poll=lambda: None)
    monkeypatch.setattr(server, "_servers", {"http://gone": gone, "http://left": left})
    monkeypatch.setattr(server, "_start_server", lambda *_: ("http://new", left))
    monkeypatch.setattr(server, "_wait_and_use", lambda url, *_: used.append(url) or url)

    assert server.start_api()() == "http://left"
    assert server.start_api(schedules=True)() == "http://new"
    assert used == ["http://left", "http://new"]


@pytest.mark.parametrize(
    ("url", "schedules", "seconds"),
    [("http://own", False, None), ("http://own", True, 30), ("http://named", False, 30)],
)
def test_runs_are_tagged_and_send_heartbeats_where_a_server_outlives_them(
    url: str, schedules: bool, seconds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.context import TagsContext
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(server, "_find_problem", lambda _: "")
    monkeypatch.setattr("prefect.context.refresh_global_settings_context", lambda: None)
    server._wait_and_use("http://own", SimpleNamespace(), schedules)

    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: 180}), server.tag_runs(url):
        assert PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value() == seconds
        assert TagsContext.get().current_tags == {deployments.TAG}


CODE = """
import sys
from prefect.settings import PREFECT_API_URL
from gristmill.prefect_runtime import server
url = server.ensure_api()
print(url, PREFECT_API_URL.value(), server._servers[url].pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def parent(tmp_path: Path) -> "Iterator[subprocess.Popen[str]]":
    """A process that ensures an API, behind a proxy that does not answer, and lives until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE],
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "PREFECT_HOME": str(make_prefect_home(tmp_path / "prefect")),
            "HTTP_PROXY": "http://127.0.0.1:9",
        },
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


@pytest.mark.fault(30)
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


def test_a_page_of_another_site_may_not_ask_a_temporary_server(prefect_api: str) -> None:
    import httpx

    own, foreign = prefect_api.removesuffix("/api"), "https://example.org"
    for origin, allowed in ((own, own), (foreign, None)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = httpx.options(f"{prefect_api}/flow_runs/filter", headers=headers, timeout=60)
        assert answer.headers.get("Access-Control-Allow-Origin") == allowed


def test_a_temporary_server_changes_nothing_for_who_has_no_token(prefect_api: str) -> None:
    import httpx

    answer = httpx.post(f"{prefect_api}/flows/", content='{"name": "foreign"}', timeout=60)  # as a page's form may ask
    assert (answer.status_code, answer.json()) == (403, {"detail": "Missing CSRF token."})

"""Files from URLs: fetched once, whole and verified or not there, from a server on loopback."""

import contextlib
import gzip
import hashlib
import itertools
import logging
import re
from collections.abc import Iterable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from threading import Event, Thread

import httpx
import pytest

from gristmill.cli.commands import check
from gristmill.errors import DataError, StoreError
from gristmill.project.project import Project
from gristmill.runs.identity import fetch_urls
from gristmill.runs.locations import Located, locate
from gristmill.store import downloads
from gristmill.store.downloads import refresh
from gristmill.store.store import Store
from helpers.scoreboard import Fault

CONTENT = b"time,value\n2020-01-01,1\n" * 100_000  # more than a block
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PACKED = gzip.compress(CONTENT, mtime=0)


class Server(ThreadingHTTPServer):
    """Serves a file in several ways and remembers what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: Message = Message()
        self.leads_to = ""
        self.grown = 1  # length of the file that grows
        self.closing = Event()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.headers = self.headers
        match self.path:
            case "/moved.csv":
                self.answer(302, b"", Location="/series.csv")
            case "/away":
                self.answer(302, b"", Location=self.server.leads_to)
            case "/round":
                self.answer(302, b"", Location="/round")
            case "/endless":
                self.send(itertools.repeat(CONTENT))
            case "/drips":
                self.send(itertools.repeat(b"x"), pause=0.02)
            case "/silent":
                self.send([CONTENT], pause=10)
            case "/announced":
                self.answer(200, b"x", **{"Content-Length": str(1 << 50)})
            case "/gone.csv":
                self.answer(404, b"not here")
            case "/cut.csv":
                self.answer(200, CONTENT[:1000], **{"Content-Length": str(len(CONTENT))})
            case "/grows.csv" if self.headers["If-None-Match"] == f'"{self.server.grown}"':
                self.answer(304, b"")
            case "/grows.csv":
                self.answer(200, CONTENT * self.server.grown, ETag=f'"{self.server.grown}"')
            case "/series.csv.gz":
                self.answer(200, PACKED, **{"Content-Encoding": "gzip"})
            case _:
                self.answer(200, CONTENT)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send(self, blocks: Iterable[bytes], pause: float = 0.0) -> None:
        """Send blocks, without saying how many, until nobody listens any more."""
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            for block in blocks:
                self.wfile.write(block)
                self.server.closing.wait(pause)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving() as server:
        yield server


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.closing.set()
        server.shutdown()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def at(url: str, store: Store, sha256: str = SHA256) -> Located:
    return locate(url, store.root, "[source] path", store.root / "downloads", sha256)


def files_in(store: Store) -> list[str]:
    return [path.name for path in store.root.glob("downloads/*/*")]


def test_a_file_is_fetched_once_and_lies_under_its_hash(server: Server, store: Store) -> None:
    located = at(f"{server.address}/series.csv", store)
    for _ in range(2):
        fetch_urls([located], store)
    assert located.files == (store.root / "downloads" / SHA256 / "series.csv",)
    assert located.files[0].read_bytes() == CONTENT
    assert (server.asked, files_in(store)) == (["/series.csv"], ["series.csv"])


def test_check_fetches_weights_of_a_url_that_are_not_here(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = f'weights = "{server.address}/base.weights.h5", sha256 = "{SHA256}"'
    (tmp_path / "pipelines.toml").write_text(
        f"""
[pipelines.shapes]
domain = "vision"
source = {{ kind = "folder", path = "photos" }}
preprocess = {{ size = 32 }}
model = {{ kind = "transfer", base = "MobileNetV3Small", {weights} }}
"""
    )
    project = Project.open(tmp_path)
    monkeypatch.setattr(Project, "plan", lambda *_: [])  # all that train reads is there

    files = check._train_stage(project, project.catalogue.pipeline("shapes")).files

    assert [(file.name, file.read_bytes()) for file in files] == [("base.weights.h5", CONTENT)]
    assert server.asked == ["/base.weights.h5"]


def test_what_comes_from_no_url_is_left_alone(store: Store) -> None:
    fetch_urls([Located((store.root / "a.csv",), sha256=SHA256)], store)
    assert files_in(store) == []


def test_a_damaged_file_is_fetched_again(server: Server, store: Store) -> None:
    located = at(f"{server.address}/series.csv", store)
    fetch_urls([located], store)
    located.files[0].write_bytes(b"damaged")
    fetch_urls([located], store)
    assert located.files[0].read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_url_that_grows_is_kept_by_its_content(server: Server, store: Store) -> None:
    url = f"{server.address}/grows.csv"

    def located() -> Located:
        return locate(url, store.root, "[source] path", store.root / "downloads", refresh=True)

    with pytest.raises(
        DataError, match=re.escape(f"[source] path: {url} was not fetched yet. The next run fetches it.")
    ):
        located()
    kept = []
    for server.grown in (1, 1, 2, 3):
        refresh(url, store)
        kept.append(located())
        fetch_urls([kept[-1]], store)
        assert kept[-1].files[0].read_bytes() == CONTENT * server.grown
    assert [one.sha256 == SHA256 for one in kept] == [True, True, False, False]
    assert server.headers["If-None-Match"] == '"2"'
    assert [one.files[0].exists() for one in kept[1:]] == [False, True, True]  # another run may read the one before

    kept[-1].files[0].write_bytes(b"damaged")
    refresh(url, store)
    assert kept[-1].files[0].read_bytes() == CONTENT * 3
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match="no connection"):
        refresh(url, store)
    assert located() == kept[-1]


def test_a_redirect_is_followed(server: Server, store: Store) -> None:
    located = at(f"{server.address}/moved.csv", store)
    fetch_urls([located], store)
    assert located.files[0].read_bytes() == CONTENT


def refusal(url: str, store: Store) -> str:
    """Return why a file is not fetched, after looking that nothing is left of it."""
    with pytest.raises(DataError) as raised:
        fetch_urls([at(url, store)], store)
    assert files_in(store) == []
    return str(raised.value)


@pytest.mark.fault(29)
@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/series.csv", "gopher://127.0.0.1/"])
def test_a_redirect_to_another_scheme_is_refused(server: Server, store: Store, place: str, fault: Fault) -> None:
    server.leads_to = place
    scheme = place.partition("://")[0]
    said = refusal(f"{server.address}/away", store)
    fault.said(said.replace(server.address, "https://example.org"))
    assert said == (
        f"{server.address}/away: redirects to {scheme}://, which is not allowed. "
        "Fetch the file by hand and give its path."
    )


@pytest.mark.fault(29)
def test_what_was_asked_for_over_tls_is_not_fetched_without(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.scheme == "https", "the other was asked"
        return httpx.Response(302, headers={"Location": "http://example.org/series.csv?token=hidden"})

    monkeypatch.setattr(httpx.Client, "_transport_for_url", lambda *_: httpx.MockTransport(answer))
    assert refusal("https://example.org/a.csv", store).startswith(
        "https://example.org/a.csv: redirects to http://, which is not allowed. "
    )


@pytest.mark.fault(29)
def test_a_redirect_to_another_server_is_followed_with_nothing_but_the_request(server: Server, store: Store) -> None:
    with serving() as other:
        server.leads_to = f"{other.address}/series.csv"
        fetch_urls([at(f"{server.address}/away", store)], store)
    assert not {"Authorization", "Cookie", "Referer"} & set(other.headers)


@pytest.mark.fault(29)
def test_redirects_have_an_end(server: Server, store: Store, fault: Fault) -> None:
    said = refusal(f"{server.address}/round", store)
    fault.said(said.replace(server.address, "https://example.org"))
    assert said == f"{server.address}/round: redirects more than 5 times. Fetch the file by hand and give its path."
    assert len(server.asked) == 6


@pytest.mark.fault(29)
def test_a_file_that_is_announced_as_too_large_is_left(server: Server, store: Store, fault: Fault) -> None:
    said = refusal(f"{server.address}/announced", store)
    fault.said(said.replace(server.address, "https://example.org"))
    assert said == (
        f"{server.address}/announced: the file has more than 16 GiB. Fetch the file by hand and give its path."
    )


@pytest.mark.fault(29)
def test_a_server_that_sends_too_much_is_left(server: Server, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_MAX_BYTES", 16 << 20)
    assert "/endless: the file has more than " in refusal(f"{server.address}/endless", store)


@pytest.mark.fault(29)
def test_a_server_that_never_ends_is_left(server: Server, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_MAX_SECONDS", 0.36)
    said = refusal(f"{server.address}/drips", store)
    assert re.search(r"/drips: not complete after 0\.0001 hours, [\d,]+ bytes\. Fetch the file by hand ", said)


@pytest.mark.fault(29)
def test_a_server_that_falls_silent_is_left(server: Server, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_TIMEOUT", 0.2)
    assert "/silent: no connection (timed out). Run again once" in refusal(f"{server.address}/silent", store)


@pytest.mark.fault(29)
def test_what_a_server_leads_on_to_is_never_logged(
    server: Server, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    server.leads_to = "/series.csv?signature=hidden"
    with caplog.at_level(logging.INFO, logger="gristmill"):
        fetch_urls([at(f"{server.address}/away", store)], store)
    assert "hidden" not in caplog.text


def test_a_packed_file_stays_as_it_lies_on_the_server(server: Server, store: Store) -> None:
    located = at(f"{server.address}/series.csv.gz", store, hashlib.sha256(PACKED).hexdigest())
    fetch_urls([located], store)
    assert located.files[0].read_bytes() == PACKED


def test_another_file_than_the_one_asked_for_is_refused_with_both_hashes(server: Server, store: Store) -> None:
    url = f"{server.address}/series.csv"
    with pytest.raises(DataError) as raised:
        fetch_urls([at(url, store, "ab" * 32)], store)
    assert str(raised.value) == (
        f"{url}: the file has SHA-256 {SHA256}, but sha256 = {'ab' * 32} is expected. "
        "Set sha256 to the first if you trust the file, or use the expected file."
    )
    assert files_in(store) == []


def test_a_server_that_refuses_is_told_with_its_status(server: Server, store: Store) -> None:
    with pytest.raises(
        DataError, match=re.escape(f"{server.address}/gone.csv: HTTP status 404 Not Found. Correct the")
    ):
        fetch_urls([at(f"{server.address}/gone.csv", store)], store)
    assert files_in(store) == []


def test_a_connection_that_breaks_off_leaves_nothing(server: Server, store: Store) -> None:
    with pytest.raises(DataError, match=r"/cut\.csv: no connection \(.+\)\. Run again once"):
        fetch_urls([at(f"{server.address}/cut.csv", store)], store)
    assert files_in(store) == []


def test_a_server_that_is_not_there_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with contextlib.closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/series.csv"
    with pytest.raises(DataError, match=rf"^{re.escape(url)}: no connection \(.*refused\)\. Run again once"):
        fetch_urls([at(url, store)], store)


@pytest.mark.parametrize("url", ["http://[::1/series.csv", "http://", "http://127.0.0.1:99999/a.csv"])
def test_a_url_that_is_none_is_told(store: Store, url: str) -> None:
    with pytest.raises(DataError, match="no connection"):
        fetch_urls([Located((store.root / "downloads/a/a.csv",), url, SHA256)], store)


def test_a_store_that_cannot_be_written_to_is_told(server: Server, store: Store) -> None:
    store.root.mkdir()
    (store.root / "downloads").write_text("not a folder")
    with pytest.raises(StoreError, match="the store is not writable"):
        fetch_urls([at(f"{server.address}/series.csv", store)], store)

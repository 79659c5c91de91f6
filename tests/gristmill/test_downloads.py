"""Files from URLs: fetched once, whole and verified or not there, from a server on loopback."""

import gzip
import hashlib
import re
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from threading import Thread

import pytest

from gristmill.downloads import fetch
from gristmill.errors import DataError, StoreError
from gristmill.places import Located, locate
from gristmill.store import Store

CONTENT = b"time,value\n2020-01-01,1\n" * 100_000  # more than a block
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PACKED = gzip.compress(CONTENT, mtime=0)


class Server(ThreadingHTTPServer):
    """Serves a file in several ways and remembers what it was asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        match self.path:
            case "/moved.csv":
                self.answer(302, b"", Location="/series.csv")
            case "/gone.csv":
                self.answer(404, b"not here")
            case "/cut.csv":
                self.answer(200, CONTENT[:1000], **{"Content-Length": str(len(CONTENT))})
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

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
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
        fetch([located], store)
    assert located.files == (store.root / "downloads" / SHA256 / "series.csv",)
    assert located.files[0].read_bytes() == CONTENT
    assert (server.asked, files_in(store)) == (["/series.csv"], ["series.csv"])


def test_what_comes_from_no_url_is_left_alone(store: Store) -> None:
    fetch([Located((store.root / "a.csv",), sha256=SHA256)], store)
    assert files_in(store) == []


def test_a_damaged_file_is_fetched_again(server: Server, store: Store) -> None:
    located = at(f"{server.address}/series.csv", store)
    fetch([located], store)
    located.files[0].write_bytes(b"damaged")
    fetch([located], store)
    assert located.files[0].read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_a_redirect_is_followed(server: Server, store: Store) -> None:
    located = at(f"{server.address}/moved.csv", store)
    fetch([located], store)
    assert located.files[0].read_bytes() == CONTENT


def test_a_packed_file_stays_as_it_lies_on_the_server(server: Server, store: Store) -> None:
    located = at(f"{server.address}/series.csv.gz", store, hashlib.sha256(PACKED).hexdigest())
    fetch([located], store)
    assert located.files[0].read_bytes() == PACKED


def test_another_file_than_the_one_asked_for_is_refused_with_both_hashes(server: Server, store: Store) -> None:
    url = f"{server.address}/series.csv"
    with pytest.raises(DataError) as raised:
        fetch([at(url, store, "ab" * 32)], store)
    assert str(raised.value) == (
        f"{url}: the file has SHA-256 {SHA256}, but sha256 = {'ab' * 32} is asked for. "
        "Set sha256 to the first if you trust the file, or find the one that is meant."
    )
    assert files_in(store) == []


def test_a_server_that_refuses_is_told_with_its_status(server: Server, store: Store) -> None:
    with pytest.raises(
        DataError, match=re.escape(f"{server.address}/gone.csv: HTTP status 404 Not Found. Correct the")
    ):
        fetch([at(f"{server.address}/gone.csv", store)], store)
    assert files_in(store) == []


def test_a_connection_that_breaks_off_leaves_nothing(server: Server, store: Store) -> None:
    with pytest.raises(DataError, match=r"/cut\.csv: no connection \(.+\)\. Run again once"):
        fetch([at(f"{server.address}/cut.csv", store)], store)
    assert files_in(store) == []


def test_a_server_that_is_not_there_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/series.csv"
    with pytest.raises(DataError, match=rf"^{re.escape(url)}: no connection \(.*refused\)\. Run again once"):
        fetch([at(url, store)], store)


@pytest.mark.parametrize("url", ["http://[::1/series.csv", "http://", "http://127.0.0.1:99999/a.csv"])
def test_a_url_that_is_none_is_told(store: Store, url: str) -> None:
    with pytest.raises(DataError, match="no connection"):
        fetch([Located((store.root / "downloads/a/a.csv",), url, SHA256)], store)


def test_a_store_that_cannot_be_written_to_is_told(server: Server, store: Store) -> None:
    store.root.mkdir()
    (store.root / "downloads").write_text("not a folder")
    with pytest.raises(StoreError, match="the store is not writable"):
        fetch([at(f"{server.address}/series.csv", store)], store)

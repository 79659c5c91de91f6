"""A plugin of tests with a store that machines share: an S3 server on loopback, and caches that stand for machines.

The server answers one request after the other, so that of two that create one file one is the first.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from fsspec.core import url_to_fs
from moto.server import DomainDispatcherApplication, create_backend_app
from s3fs import S3FileSystem
from werkzeug.serving import make_server

from gristmill.store.remote import remote
from gristmill.store.remote.remote import Remote
from gristmill.store.remote.shared_store import SharedStore

ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
BUCKET = "shared"
_numbers = count()


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, str]]:
    """An S3 server with one bucket, for the session; its address and credentials, as the environment gives them."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    variables = ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            url_to_fs(f"s3://{BUCKET}")[0].mkdir(BUCKET)
        yield variables
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def shared(s3: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty store on the server, which the environment leads to."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/store-{next(_numbers)}"


@pytest.fixture
def machine(shared: str, tmp_path: Path) -> Callable[[str], SharedStore]:
    """Give the store of a machine, by the machine's name: the shared one with a cache of its own."""
    return lambda name: SharedStore(tmp_path / name, Remote(shared))


@pytest.fixture
def unreachable(shared: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a shared store whose server does not answer, and for whom nobody waits."""
    monkeypatch.setattr(remote, "_PAUSES", ())
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    S3FileSystem.clear_instance_cache()  # which remembers the server
    yield shared
    S3FileSystem.clear_instance_cache()

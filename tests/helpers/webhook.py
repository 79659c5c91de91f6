"""A webhook on loopback that keeps what it receives, as a receiver of messages.

PYTEST_DONT_REWRITE: it asserts nothing.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

SECRET = "T0P-S3CRET"  # noqa: S105 - in the path of its URL, as Slack has it
TABLE = '\n[notify]\nurl_env = "OPS_URL"\n'


@dataclass
class Webhook:
    """The messages that a webhook has received, and the status with which it answers."""

    port: int
    received: list[tuple[str, str]] = field(default_factory=list)  # subject and body
    status: int = 200
    refused: int = 0  # messages that it answered with another status

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/{SECRET}"

    @property
    def subjects(self) -> list[str]:
        return [subject for subject, _ in self.received]


@contextmanager
def webhook_started() -> Iterator[Webhook]:
    """Start a webhook on a free port; it ends with the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if hook.status == 200:
                hook.received.append((sent.get("title", ""), sent.get("message", "")))
            else:
                hook.refused += 1
            self.send_response(hook.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(server.server_port)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield hook
        server.shutdown()


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    """Start a webhook, and let `OPS_URL` name it."""
    with webhook_started() as hook:
        monkeypatch.setenv("OPS_URL", hook.url)
        yield hook

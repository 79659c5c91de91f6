"""Headless Chromium, spoken to by its DevTools protocol: one browser, one tab, pages opened from files."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from websockets.sync.client import ClientConnection, connect  # which Prefect brings

from helpers.support import wait_until

NAMES = ("chromium", "chromium-browser", "google-chrome")
_SWITCHES = (  # it asks nobody for anything
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
_BOUND = 60  # seconds for an answer


def executable() -> str | None:
    """Return the browser that is on PATH, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def running(command: str, profile: Path) -> Iterator["Browser"]:
    """Run a browser with a new profile, an empty folder."""
    process = subprocess.Popen(
        [command, *_SWITCHES, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        listening = profile / "DevToolsActivePort"  # port and path, a line each
        wait_until(lambda: listening.exists() and len(listening.read_text().split()) == 2, "the browser to start")
        port, path = listening.read_text().split()
        with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, proxy=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        process.wait(_BOUND)


class Browser:
    """A tab of a running browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._calls = 0
        self._events: list[dict[str, Any]] = []
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters} | self._session
        self._socket.send(json.dumps(message))
        while (answer := self._receive()).get("id") != self._calls:
            self._events.append(answer)
        assert "result" in answer, f"{method}: {answer['error']['message']}"
        return dict(answer["result"])

    def open(
        self, page: Path | str, width: int, scheme: Literal["light", "dark"] = "light", media: str = "screen"
    ) -> None:
        """Open a file or an address in a window of some pixels, narrow ones of a phone, and wait until it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        self.call(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        self._events.clear()
        self.call("Page.navigate", url=page.as_uri() if isinstance(page, Path) else page)
        while not self._happened("Page.loadEventFired"):
            self._events.append(self._receive())

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"]["value"]

    def complaints(self) -> list[str]:
        """Return what the page has logged as an error or a warning since it was opened."""
        logged = [event["entry"] for event in self._happened("Log.entryAdded")]
        said = [event for event in self._happened("Runtime.consoleAPICalled") if event["type"] in ("error", "warning")]
        thrown = [event["exceptionDetails"] for event in self._happened("Runtime.exceptionThrown")]
        return [entry["text"] for entry in logged if entry["level"] in ("error", "warning")] + [
            json.dumps(event) for event in [*said, *thrown]
        ]

    def requests(self) -> list[str]:
        """Return the addresses that the page has asked for since it was opened, its own first."""
        return [event["request"]["url"] for event in self._happened("Network.requestWillBeSent")]

    def _happened(self, method: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self._events if event.get("method") == method]

    def _receive(self) -> dict[str, Any]:
        return dict(json.loads(self._socket.recv(timeout=_BOUND)))

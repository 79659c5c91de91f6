"""A server of champions: in a thread of the test's process, or as the command in a process of its own."""

import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from conftest import ROOT
from gristmill.model_server.application import ModelServer
from gristmill.model_server.champions import Champions, RequestMetrics
from gristmill.model_server.responses import Limits
from gristmill.model_server.server import listen
from gristmill.project.project import Project
from helpers.support import wait_until

LIMITS = Limits()  # the default ones


@dataclass
class Served:
    """A running server in a thread."""

    project: Project
    champions: Champions
    server: ModelServer
    client: httpx.Client

    def predict(self, name: str, body: bytes = b"", **more: Any) -> Any:
        """Return the answer to `/predict/NAME`, which must be a success."""
        answer = self.client.post(f"/predict/{name}", content=body, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def served(project: Project, *names: str, limits: Limits = LIMITS) -> Iterator[Served]:
    """Serve pipelines of a project in a thread of this process; champions are followed only by `champions.check`."""
    metrics = RequestMetrics()
    champions = Champions(project, list(names), metrics)
    champions.load_all()
    handlers = ModelServer(champions, metrics, limits, frozenset({"127.0.0.1", "localhost"}))
    handlers.warnings.install()
    server = uvicorn.Server(uvicorn.Config(handlers.application(), log_config=None, access_log=False))
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_until(lambda: server.started, "the server to start")
            address = f"http://127.0.0.1:{listening.getsockname()[1]}"
            with httpx.Client(base_url=address, timeout=60) as client:
                yield Served(project, champions, handlers, client)
        finally:
            server.should_exit = True
            thread.join()
            logging.getLogger("gristmill").removeHandler(handlers.warnings)


@dataclass
class Process:
    """`gristmill serve` in a process of its own, ready to answer."""

    address: str
    process: "subprocess.Popen[str]"


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[Process]:
    """Run `gristmill serve` on a free port until it is ready; at the end it is killed."""
    command = [sys.executable, "-m", "gristmill", "serve", *words, "--port", "0"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    log = folder / "serve.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        assert process.stdout
        for line in process.stdout:
            if found := re.match(r"docs +(\S+)/docs", line):
                yield Process(found[1], process)
                return
        raise AssertionError(log.read_text())
    finally:
        process.kill()
        process.communicate()

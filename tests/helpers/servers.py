"""A Prefect server of a test's own, to be stopped, killed and held by its id, and processes that use it."""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from gristmill.prefect_runtime import server
from gristmill.util.processes import module_command
from helpers.support import wait_until


@dataclass
class Server:
    """A Prefect server on loopback and its process."""

    port: int
    process: "subprocess.Popen[Any]"

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"


def answers(api: str) -> bool:
    """Whether a Prefect API answers."""
    try:
        return httpx.get(f"{api}/health", timeout=10).is_success
    except httpx.TransportError:
        return False


@contextmanager
def serving(home: Path) -> Iterator[Server]:
    """Start a Prefect server with its own database and wait until it answers; at the end it is killed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        line, environment = module_command("gristmill.prefect_runtime.server", str(listening.fileno()))
        process = subprocess.Popen(
            line,
            env=environment | server._RUN_SERVER | {"PREFECT_HOME": str(home)},
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
        )
        started = Server(listening.getsockname()[1], process)
    try:
        wait_until(lambda: answers(started.api), "the server")
        yield started
    finally:
        process.kill()
        process.communicate()


def use(api: str) -> None:
    """Have this process, forked off one that has loaded Prefect, use an API."""
    from prefect.context import refresh_global_settings_context

    os.environ["PREFECT_API_URL"] = api
    refresh_global_settings_context()


def use_impatiently(api: str) -> None:
    """Have this process use an API, and take it for lost at the first look that finds no answer."""
    use(api)
    server.MAX_SILENCE, server.MIN_FAILED_CHECKS = 0, 1

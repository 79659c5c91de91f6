"""A Prefect server of a test's own, to be stopped, killed and held by its id, and processes that use it.

Creating a database takes a server five seconds. An empty one is kept under `.pytest_cache/prefect` and copied by tests.
"""

import fcntl
import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from conftest import ROOT
from gristmill.prefect_runtime import server
from gristmill.util.processes import module_command
from helpers.support import wait_until

KEPT = ROOT / ".pytest_cache/prefect"
DATABASE = "prefect.db"


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
    return not server._find_problem(api)


def make_prefect_home(folder: Path) -> Path:
    """Give a folder the empty database of a Prefect server, unless it has one, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / DATABASE).exists():
        shutil.copyfile(_empty_database(), folder / DATABASE)
    return folder


def _empty_database() -> Path:
    """Return the kept database; the first of several sessions creates it."""
    KEPT.mkdir(parents=True, exist_ok=True)
    kept = KEPT / f"{version('prefect')}.db"
    with (KEPT / "lock").open("w") as lock, tempfile.TemporaryDirectory(dir=KEPT) as home:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            with _serving_from(Path(home)):
                pass
            with closing(sqlite3.connect(Path(home) / DATABASE)) as database:
                database.execute("pragma wal_checkpoint(truncate)")  # all in one file
            (Path(home) / DATABASE).rename(kept)
    return kept


@contextmanager
def serving(home: Path) -> Iterator[Server]:
    """Start a Prefect server with its own database and wait until it answers; at the end it is killed."""
    with _serving_from(make_prefect_home(home)) as started:
        yield started


@contextmanager
def _serving_from(home: Path) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        line, environment = module_command("gristmill.prefect_runtime.server", str(listening.fileno()), "run")
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

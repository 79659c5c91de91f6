"""A unit of work, and the worker processes that run it.

Any process can run a unit that has the project's folder, its store, and the same versions.
"""

import hashlib
import json
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import IO, Any, cast

from gristmill.config.domains import DOMAINS
from gristmill.config.pipelines_file import PIPELINES_FILE
from gristmill.config.stages import libraries_of
from gristmill.keys import library_versions
from gristmill.store.code_closure import PACKAGE
from gristmill.util.processes import module_command

_END_TIMEOUT = 30  # seconds for a worker to end before it is killed


@dataclass(frozen=True)
class Unit:
    """A flow with its parameters, all of them JSON values; its artifacts go to the store."""

    flow: str  # of a domain for a whole run, `trial` for a run up to its scores, `chunk` for a part of a stage
    parameters: dict[str, Any]  # including `pipeline` and `project`, the folder


@dataclass(frozen=True)
class WorkResult:
    """Result of a unit: the small JSON value that its flow returned, or an error in one line."""

    value: Any = None
    failed: str | None = None
    error: str | None = None  # class name of an exception that the flow raised


class WorkerDied(Exception):
    """A worker process ended during a unit; the message says how."""


@cache
def fingerprint() -> dict[str, str]:
    """Return the versions of Python and libraries in keys, and gristmill's with a digest of its code."""
    libraries = {library for domain in DOMAINS for library in libraries_of(domain)}
    digest = hashlib.sha256()
    # Two of the folders are links in a checkout, which `rglob` does not follow.
    for path in sorted({path for name in ("", "flows", "tasks") for path in (PACKAGE / name).rglob("*.py")}):
        digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + path.read_bytes())
    gristmill = f"{metadata.version('gristmill')}, code {digest.hexdigest()[:12]}"
    return {"gristmill": gristmill} | library_versions((), (*sorted(libraries), "prefect"))


def mismatch(worker: dict[str, str], client: dict[str, str], project: str) -> str:
    """Return why a worker with one fingerprint cannot work for a client with another; empty if it can."""
    for name, version in client.items():
        if (own := worker.get(name, "not installed")) != version:
            return f"{name}: {own}, but {version} is required. Install the same version."
    if not (Path(project) / PIPELINES_FILE).is_file():
        return (
            f"{project}: no {PIPELINES_FILE}. A worker needs the project's folder at the same place: share or copy it."
        )
    return ""


class Worker:
    """A process that runs units one after the other; it ends when its parent does."""

    def __init__(self, environment: Mapping[str, str | None] | None = None) -> None:
        """Start it with additional variables; those that are None are removed."""
        line, variables = module_command("gristmill.workers.worker_main")
        changed = variables | dict(environment or {})
        variables = {name: value for name, value in changed.items() if value is not None}
        self.process = subprocess.Popen(line, env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, unit: Unit, client: Mapping[str, str]) -> WorkResult:
        """Run a unit for a client with this fingerprint; raise `WorkerDied` if the process ends."""
        request = json.dumps({"unit": asdict(unit), "client": client})
        with suppress(BrokenPipeError):  # it is dead already
            print(request, file=self.process.stdin, flush=True)
        answer = cast(IO[str], self.process.stdout).readline()
        if not answer:
            raise WorkerDied(f"its process ended with status {self.process.wait()}")
        return WorkResult(**json.loads(answer))

    def wait(self) -> None:
        """Wait for the end of a terminated process, and kill it if that takes too long."""
        try:
            self.process.wait(_END_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Processes:
    """Worker processes of this machine."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._idle: list[Worker] = []
        self._all: list[Worker] = []
        self._lock = threading.Lock()
        self._open = True

    def run(self, unit: Unit) -> WorkResult:
        """Run a unit in an idle worker or a new one; called by as many threads as there should be workers."""
        with self._lock:
            if not self._open:
                raise WorkerDied("cancelled")
            while self._idle and self._idle[-1].process.poll() is not None:  # it was idle for too long
                self._idle.pop()
            if self._idle:
                worker = self._idle.pop()
            else:
                worker = Worker()
                self._all.append(worker)
        result = worker.run(unit, fingerprint())
        self._idle.append(worker)
        return result

    def close(self) -> None:
        """End every worker; artifacts and checkpoints of its unit are kept."""
        with self._lock:
            self._open = False
        for worker in self._all:
            worker.process.terminate()
        for worker in self._all:
            worker.wait()

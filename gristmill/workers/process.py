"""Worker processes, as managed by their parent process."""

import json
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import IO, cast

from gristmill.util.processes import module_command
from gristmill.workers.unit import Unit, WorkerDied, WorkResult, fingerprint

_END_TIMEOUT = 30  # seconds for a worker to end before it is killed


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

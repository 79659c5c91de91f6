"""A worker process from its parent's side, and those of this machine that do units side by side."""

import json
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import IO, cast

from gristmill.util.processes import module_command
from gristmill.workers import environment as alike
from gristmill.workers.unit import Unit, WorkerDied, WorkResult

_PATIENCE = 30  # seconds for a worker to end when it is told to


class Worker:
    """A process that does what it is told to; it ends with this one, however that goes."""

    def __init__(self, environment: Mapping[str, str | None] | None = None) -> None:
        """Start it, with variables besides those of this process, and without those that are None."""
        line, variables = module_command("gristmill.workers.worker_main")
        given = {name: value for name, value in (variables | dict(environment or {})).items() if value is not None}
        self.process = subprocess.Popen(line, env=given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, unit: Unit, surroundings: Mapping[str, str]) -> WorkResult:
        """Have it do something and return what came of it.

        Raises:
            WorkerDied: it ended meanwhile.
        """
        asked = json.dumps({"unit": asdict(unit), "surroundings": surroundings})
        with suppress(BrokenPipeError):  # it is dead already
            print(asked, file=self.process.stdin, flush=True)
        answer = cast(IO[str], self.process.stdout).readline()
        if not answer:
            raise WorkerDied(f"its process ended with status {self.process.wait()}")
        return WorkResult(**json.loads(answer))

    def end(self) -> None:
        """Wait for its end, which it was told, and kill it where that does not come."""
        try:
            self.process.wait(_PATIENCE)
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

    def attempt(self, unit: Unit) -> WorkResult:
        """Have a worker do a unit; called by as many threads as there are to be workers.

        Raises:
            WorkerDied: the worker ended meanwhile.
        """
        with self._lock:
            if not self._open:
                raise WorkerDied("given up")
            while self._idle and self._idle[-1].process.poll() is not None:  # it had nothing to do for a while
                self._idle.pop()
            if self._idle:
                worker = self._idle.pop()
            else:
                worker = Worker()
                self._all.append(worker)
        done = worker.do(unit, alike.fingerprint())
        self._idle.append(worker)
        return done

    def close(self) -> None:
        """End every worker: what a unit has finished is kept, and it goes on from there."""
        with self._lock:
            self._open = False
        for worker in self._all:
            worker.process.terminate()
        for worker in self._all:
            worker.end()

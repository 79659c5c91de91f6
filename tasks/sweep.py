"""The trials of a sweep, handed to worker processes: one that dies takes nothing but its own trial with it."""

import json
import logging
import queue
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, cast

from prefect import task
from prefect.cache_policies import NO_CACHE

from gristmill import sweeps
from gristmill.config import find_root, load
from gristmill.errors import RequestError
from gristmill.processes import command

logger = logging.getLogger(__name__)

_PATIENCE = 30  # seconds for a worker to end when it is told to


class Worker:
    """A process that tries what it is told to; it ends with this one, however that goes."""

    def __init__(self, pipeline: str, project: Path) -> None:
        """Start it."""
        line, environment = command("gristmill.trying", pipeline, str(project))
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(line, env=environment, stdin=pipe, stdout=pipe, text=True)

    def attempt(self, assignments: list[str]) -> str | None:
        """Have it try something and return why that failed; None where it did not."""
        with suppress(BrokenPipeError):  # it is dead already
            print(json.dumps(assignments), file=self.process.stdin, flush=True)
        answer = cast(IO[str], self.process.stdout).readline()
        if not answer:
            return f"its process ended with status {self.process.wait()}"
        failed: str | None = json.loads(answer)
        return failed

    def end(self) -> None:
        """Wait for its end, which it was told, and kill it where that does not come."""
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Trials:
    """Trials that wait to be tried, and the workers that try them."""

    def __init__(self, root: Path, pipeline: str, trials: list[list[str]]) -> None:
        """Have trials of a pipeline wait.

        Args:
            root: the project's folder.
            pipeline: its name.
            trials: the assignments of each.
        """
        self.pipeline = pipeline
        self._root = root
        self._of = len(trials)
        self._waiting: queue.SimpleQueue[tuple[int, list[str]]] = queue.SimpleQueue()
        self._workers: list[Worker] = []
        self._open = True
        for numbered in enumerate(trials, 1):
            self._waiting.put(numbered)

    def take(self) -> Iterator[tuple[int, list[str]]]:
        """Yield trials and their numbers until none waits."""
        while self._open:
            try:
                yield self._waiting.get_nowait()
            except queue.Empty:
                return

    def worker(self) -> Worker:
        """Return a new worker."""
        worker = Worker(self.pipeline, self._root)
        self._workers.append(worker)
        return worker

    def give_up(self) -> None:
        """Leave what waits and end every worker: what a trial has finished is kept, and it goes on from there."""
        self._open = False
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.end()

    def tell(self, number: int, trial: list[str], failed: str | None) -> None:
        """Say what a trial came to; nothing of one that was given up."""
        if not self._open:
            return
        told = ", ".join(trial)
        if failed:
            logger.warning("trial %d of %d failed: %s: %s", number, self._of, told, failed)
        else:
            logger.info("%-10s %d of %d: %s%s", "trial", number, self._of, told, self._score(trial))

    def _score(self, trial: list[str]) -> str:
        with suppress(RequestError):  # pipelines.toml is being edited
            catalogue = load(self._root, {self.pipeline: trial})
            outcome = sweeps.outcome(catalogue, catalogue.pipeline(self.pipeline))
            if outcome and outcome.validation is not None:
                return f": {outcome.metric} {outcome.validation:.4g} on {outcome.chosen_on}"
        return ""


@contextmanager
def waiting(pipeline: str, trials: list[list[str]], project: str | None) -> Iterator[Trials]:
    """Have trials wait to be tried; whatever ends the block ends the processes that try them."""
    found = Trials(Path(project) if project else find_root(), pipeline, trials)
    try:
        yield found
    finally:
        found.give_up()


@task(task_run_name="worker {worker_number} of sweep {trials.pipeline}", cache_policy=NO_CACHE, persist_result=False)
def try_trials(trials: Trials, worker_number: int) -> None:
    """Have one worker process try trials until none waits; another takes its place where it dies."""
    worker = None
    for number, trial in trials.take():
        if worker is None or worker.process.poll() is not None:
            worker = trials.worker()
        trials.tell(number, trial, worker.attempt(trial))

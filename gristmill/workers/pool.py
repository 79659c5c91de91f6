"""Pool of workers that runs units side by side; one thread waits for each worker.

Every runner uses the same worker process (`worker_main.py`), so results do not depend on it. Runners differ in how a
unit gets there: through a pipe to a process of this machine, or through Dask to a worker that owns such a process.
"""

import json
import os
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, cast

from gristmill.settings.file_tables import Runner
from gristmill.training.deadline import check_deadlines, waiting
from gristmill.util.processes import module_command
from gristmill.workers.unit import Unit, WorkerDied, WorkResult, fingerprint

if TYPE_CHECKING:
    from gristmill.workers.dask_cluster import Cluster

MAX_ATTEMPTS = 2  # per unit whose worker died: a second attempt may have more memory, a third would risk a worker
_END_TIMEOUT = 30  # seconds for a worker to end before it is killed


class Pool:
    """Workers waiting for units."""

    def __init__(self, workers: "Processes | Cluster") -> None:
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers.workers)
        self._open = True

    def run(self, units: Iterable[Unit]) -> Iterator[tuple[int, WorkResult]]:
        """Yield number, from 0 on, and result of each unit when it ends; one that fails does not stop the others.

        Raises:
            DeadlinePassed: a deadline passed before all units ended.
        """
        numbers = {self._threads.submit(self._retry, unit): number for number, unit in enumerate(units)}
        try:
            with waiting() as timeout:
                for ended in as_completed(numbers, timeout):
                    yield numbers[ended], ended.result()
        except TimeoutError:
            check_deadlines()
            raise

    def close(self) -> None:
        """Cancel all units and end every worker."""
        self._open = False
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._workers.close()
        self._threads.shutdown()

    def _retry(self, unit: Unit) -> WorkResult:
        why = ""
        for _ in range(MAX_ATTEMPTS):
            try:
                return self._workers.run(unit)
            except WorkerDied as died:
                why = str(died)
                if not self._open:
                    break
        return WorkResult(failed=f"{why}; it was tried {MAX_ATTEMPTS} times")


def concurrency(runner: Runner, jobs: int | None) -> int | None:
    """Return how many units run at a time: `jobs`, else as `[runner]` says; None for all workers of a Dask cluster."""
    if jobs or runner.workers:
        return jobs or runner.workers
    return None if runner.address else os.cpu_count() or 1


@contextmanager
def open_pool(runner: Runner, jobs: int | None) -> Iterator[Pool]:
    """Start or connect to workers for `jobs` units at a time, see `concurrency`; they stop when the block ends."""
    if runner.kind == "dask":
        from gristmill.workers.dask_cluster import Cluster

        pool = Pool(Cluster(runner.address, jobs))
    else:
        pool = Pool(Processes(jobs or 1))
    try:
        yield pool
    finally:
        pool.close()


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

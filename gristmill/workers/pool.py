"""Pool of workers that runs units side by side; one thread waits for each worker.

Every runner uses the same worker process (`worker_main.py`), so results do not depend on it. Runners differ in how a
unit gets there: through a pipe to a process of this machine, or through Dask to a worker that owns such a process.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gristmill.settings.file_tables import Runner
from gristmill.training.deadline import check_deadlines, waiting
from gristmill.workers.process import Processes, Unit, WorkerDied, WorkResult

if TYPE_CHECKING:
    from gristmill.workers.dask_cluster import Cluster

MAX_ATTEMPTS = 2  # per unit whose worker died: a second attempt may have more memory, a third would risk a worker


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

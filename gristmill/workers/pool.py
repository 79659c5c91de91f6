"""Units of work done side by side by a project's runner: as many threads wait as there are workers.

What does a unit is the same process whatever the runner (`working.py`), so that its results are; runners differ in how
the unit gets there: by a pipe to a process of this machine, or by Dask to one of its workers, which has such a process.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Protocol

from gristmill.settings.runner import Runner
from gristmill.workers.process import Processes
from gristmill.workers.unit import Unit, WorkerDied, WorkResult

logger = logging.getLogger(__name__)

ATTEMPTS = 2  # at a unit whose worker dies: once more may find more memory, a third time would kill a third worker


class Workers(Protocol):
    """What does units, several at a time."""

    workers: int

    def attempt(self, unit: Unit) -> WorkResult:
        """Have a unit done; raises `WorkerDied` where the worker died of it or of something else."""

    def close(self) -> None:
        """Give up what is being done, and end every worker that was started for it."""


class Pool:
    """Workers that wait for units."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers.workers)
        self._open = True

    def do(self, units: Iterable[Unit]) -> Iterator[tuple[int, WorkResult]]:
        """Yield the number of a unit, from 0 on, and what came of it, as they end; one that fails stops no other."""
        numbers = {self._threads.submit(self._attempt, unit): number for number, unit in enumerate(units)}
        for ended in as_completed(numbers):
            yield numbers[ended], ended.result()

    def close(self) -> None:
        """Leave what waits and end every worker."""
        self._open = False
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._workers.close()
        self._threads.shutdown()

    def _attempt(self, unit: Unit) -> WorkResult:
        why = ""
        for _ in range(ATTEMPTS):
            try:
                return self._workers.attempt(unit)
            except WorkerDied as died:
                why = str(died)
                if not self._open:
                    break
        return WorkResult(failed=f"{why}; it was tried {ATTEMPTS} times")


def concurrency(runner: Runner, asked: int | None) -> int | None:
    """Return how many units are done at a time: as many as are asked for, else as `[runner]` says.

    None where a Dask cluster that runs already has as many workers as it has.
    """
    if asked or runner.workers:
        return asked or runner.workers
    return None if runner.address else os.cpu_count() or 1


@contextmanager
def opened(runner: Runner, at_a_time: int | None) -> Iterator[Pool]:
    """Give workers; whatever ends the block ends what they do.

    Args:
        runner: the table of the project.
        at_a_time: units; None for as many as a cluster has workers.

    Raises:
        RequestError: an extra of the package is missing.
        WorkError: the cluster does not answer.
    """
    if runner.kind == "dask":
        from gristmill.workers.dask_cluster import Cluster

        pool = Pool(Cluster(runner.address, at_a_time))
    else:
        pool = Pool(Processes(at_a_time or 1))
    try:
        yield pool
    finally:
        pool.close()

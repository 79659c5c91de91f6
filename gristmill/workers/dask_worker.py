"""Dask worker side: run units in a worker process, and wait for it.

The process stays for the next unit of the same project. Dask cannot stop a thread, but the process can be ended: that
happens when the unit is cancelled, which the scheduler also does when the client is gone.
"""

import threading
from dataclasses import asdict, replace
from typing import Any

from distributed import Status, get_worker

from gristmill.workers.process import Unit, Worker, WorkerDied

_CLOSING = (Status.closing, Status.closed, Status.failed)  # a Dask worker then waits for its threads

_CHECK_INTERVAL = 0.5  # seconds

_idle: list[tuple[Any, Worker]] = []  # waiting processes, each with the project, variables and client it serves
_lock = threading.Lock()  # of `_idle`, since a Dask worker has several threads


def run_unit(unit: dict[str, Any], environment: dict[str, str | None], client: dict[str, str]) -> dict[str, Any]:
    """Run a unit for a client with this fingerprint; return its result, or under `died` how its process ended."""
    requested = Unit(**unit)
    purpose = (requested.parameters["project"], environment, client)
    worker, ended = _take_worker(purpose, environment), threading.Event()
    dask = get_worker()
    key = str(dask.get_current_task())
    threading.Thread(target=_end_if_cancelled, args=(worker, dask, key, ended), daemon=True).start()
    try:
        result = worker.run(requested, client)
    except WorkerDied as died:
        return {"died": f"{died} on {dask.address}"}
    finally:
        ended.set()
    _idle.append((purpose, worker))
    return asdict(replace(result, failed=result.failed and f"worker {dask.address}: {result.failed}"))


def _take_worker(purpose: Any, environment: dict[str, str | None]) -> Worker:
    with _lock:
        for entry in list(_idle):
            if entry[1].process.poll() is not None:
                _idle.remove(entry)
            elif entry[0] == purpose:
                _idle.remove(entry)
                return entry[1]
    return Worker(environment)


def _end_if_cancelled(worker: Worker, dask: Any, key: str, ended: threading.Event) -> None:
    while not ended.wait(_CHECK_INTERVAL):
        task = dask.state.tasks.get(key)
        if task is None or task.state == "cancelled" or dask.status in _CLOSING:
            worker.process.terminate()
            worker.wait()
            return

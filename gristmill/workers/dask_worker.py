"""A worker of a Dask cluster, from its own side: it has a process of gristmill's do a unit, and waits for it.

The process stays for the next unit of the same project. Dask cannot stop a thread, but a process can be ended: it is,
when the unit is cancelled, which the scheduler also does when the one who sent it is gone.
"""

import threading
from dataclasses import asdict, replace
from typing import Any

from distributed import Status, get_worker

from gristmill.workers.process import Worker
from gristmill.workers.unit import Unit, WorkerDied

_ENDING = (Status.closing, Status.closed, Status.failed)  # of a Dask worker, which waits for its threads

_PAUSE = 0.5  # seconds between looks whether the unit is still wanted

_idle: list[tuple[Any, Worker]] = []  # processes that wait, each with what it was started for
_taking = threading.Lock()  # held by whichever of this worker's threads looks for one


def attempt(unit: dict[str, Any], environment: dict[str, str | None], surroundings: dict[str, str]) -> dict[str, Any]:
    """Do a unit in this worker's place and return what came of it, or under `died` how its process ended.

    Args:
        unit: a flow and its parameters.
        environment: variables for the process, and, by None, those that it is not to have.
        surroundings: versions that must be installed here too.
    """
    asked = Unit(**unit)
    purpose = (asked.parameters["project"], environment, surroundings)  # of other versions there may be others by now
    worker, over = _take(purpose, environment), threading.Event()
    threading.Thread(target=_end_where_cancelled, args=(worker, get_worker(), _key(), over), daemon=True).start()
    try:
        done = worker.do(asked, surroundings)
    except WorkerDied as died:
        return {"died": f"{died} on {get_worker().address}"}
    finally:
        over.set()
    _idle.append((purpose, worker))
    failed = done.failed and f"worker {get_worker().address}: {done.failed}"
    return asdict(replace(done, failed=failed))


def _key() -> str:
    return str(get_worker().get_current_task())


def _take(purpose: Any, environment: dict[str, str | None]) -> Worker:
    with _taking:
        for entry in list(_idle):
            if entry[1].process.poll() is not None:
                _idle.remove(entry)
            elif entry[0] == purpose:
                _idle.remove(entry)
                return entry[1]
    return Worker(environment)


def _end_where_cancelled(worker: Worker, dask: Any, key: str, over: threading.Event) -> None:
    while not over.wait(_PAUSE):
        task = dask.state.tasks.get(key)
        if task is None or task.state == "cancelled" or dask.status in _ENDING:
            worker.process.terminate()
            worker.end()
            return

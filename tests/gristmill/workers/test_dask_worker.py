"""Units on a Dask worker, with stand-ins for Dask and for the process that runs the unit."""

import threading
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from distributed import Status

from gristmill.workers import dask_worker
from gristmill.workers.dask_worker import run_unit
from gristmill.workers.process import Unit, WorkerDied, WorkResult

ADDRESS = "tcp://127.0.0.1:4321"
CLIENT = {"gristmill": "1.0"}


class Process:
    """A worker process: it runs until it is terminated."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    def poll(self) -> int | None:
        return -15 if self.ended.is_set() else None

    def terminate(self) -> None:
        self.ended.set()


class Worker:
    """Stand-in for `Worker`. The unit `fails` fails, `waits` runs until the process is terminated."""

    started: list["Worker"]

    def __init__(self, environment: Mapping[str, str | None]) -> None:
        self.environment = environment
        self.process = Process()
        self.flows: list[str] = []
        Worker.started.append(self)

    def run(self, unit: Unit, client: Mapping[str, str]) -> WorkResult:
        assert client == CLIENT
        self.flows.append(unit.flow)
        if unit.flow == "waits":
            assert self.process.ended.wait(60), "nobody ended the process"
            raise WorkerDied("its process ended with status -15")
        return WorkResult(failed="ValueError: no") if unit.flow == "fails" else WorkResult({"flow": unit.flow})

    def wait(self) -> None:
        """Return, since the process has ended."""


@pytest.fixture(autouse=True)
def dask(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A Dask worker that runs the task `task`."""
    tasks = {"task": SimpleNamespace(state="executing")}
    worker = SimpleNamespace(
        address=ADDRESS, status=Status.running, state=SimpleNamespace(tasks=tasks), get_current_task=lambda: "task"
    )
    monkeypatch.setattr(dask_worker, "get_worker", lambda: worker)
    monkeypatch.setattr(dask_worker, "Worker", Worker)
    monkeypatch.setattr(dask_worker, "_CHECK_INTERVAL", 0.01)
    monkeypatch.setattr(dask_worker, "_idle", [])
    Worker.started = []
    return worker


def run(flow: str, project: str = "/one", **environment: str) -> dict[str, Any]:
    return run_unit({"flow": flow, "parameters": {"project": project}}, dict(environment), CLIENT)


def test_a_process_serves_the_next_unit_of_the_same_project_and_variables() -> None:
    assert run("small", THREADS="2") == {"value": {"flow": "small"}, "failed": None, "error": None}
    run("other", THREADS="2")
    run("small", THREADS="3")
    run("small", "/two", THREADS="2")

    assert [worker.flows for worker in Worker.started] == [["small", "other"], ["small"], ["small"]]
    assert [worker.environment for worker in Worker.started] == [{"THREADS": number} for number in "232"]


def test_a_process_that_ended_while_it_was_idle_is_replaced() -> None:
    run("small")
    Worker.started[0].process.terminate()

    run("other")

    assert [worker.flows for worker in Worker.started] == [["small"], ["other"]]
    assert [worker for _, worker in dask_worker._idle] == Worker.started[1:]


def test_an_error_names_the_worker_and_the_process_stays() -> None:
    assert run("fails")["failed"] == f"worker {ADDRESS}: ValueError: no"
    run("small")
    assert len(Worker.started) == 1


@pytest.mark.parametrize("end", ["cancelled", "forgotten", "closing"])
def test_the_process_of_a_cancelled_unit_is_terminated(dask: SimpleNamespace, end: str) -> None:
    match end:
        case "cancelled":
            dask.state.tasks["task"].state = "cancelled"
        case "forgotten":
            dask.state.tasks.clear()
        case "closing":
            dask.status = Status.closing

    assert run("waits") == {"died": f"its process ended with status -15 on {ADDRESS}"}

    assert dask_worker._idle == []

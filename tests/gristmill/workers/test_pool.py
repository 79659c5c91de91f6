"""What decides how wide a run is, and what a worker must have in common with who sends it work."""

import multiprocessing
import os
import sys
from contextlib import nullcontext
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import pytest
from pydantic import ValidationError

from gristmill.config import catalogue
from gristmill.errors import RequestError, SourceChanged, WorkError
from gristmill.execution import chunks
from gristmill.execution.chunks import StageChunk, make_with_workers
from gristmill.execution.run import Run
from gristmill.settings.file_tables import SEQUENTIAL, Runner
from gristmill.training.keras_backend import LINEAR_ALGEBRA_VARIABLES
from gristmill.util.processes import TEMPORARY_API_VARIABLE
from gristmill.workers import dask_cluster, process, worker_main
from gristmill.workers.pool import MAX_ATTEMPTS, Pool, concurrency
from gristmill.workers.process import Unit, Worker, WorkerDied, WorkResult, fingerprint, mismatch
from helpers.support import wait_until

ADDRESS = "tcp://127.0.0.1:8786"


@pytest.mark.parametrize(
    ("runner", "asked", "workers"),
    [
        (SEQUENTIAL, None, 1),
        (SEQUENTIAL, 3, 3),
        (Runner(), None, 7),
        (Runner(workers=2), None, 2),
        (Runner(workers=2), 5, 5),
        (Runner(kind="dask"), None, 7),
        (Runner(kind="dask", address=ADDRESS), None, None),
        (Runner(kind="dask", address=ADDRESS, workers=3), None, 3),
    ],
)
def test_as_many_at_a_time_as_are_asked_for_else_as_the_table_says(
    runner: Runner, asked: int | None, workers: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 7)
    assert concurrency(runner, asked) == workers


def test_an_address_is_of_dask_alone() -> None:
    with pytest.raises(ValidationError, match="address only with a Dask cluster"):
        Runner(address=ADDRESS)


def test_the_table_stands_beside_the_pipelines(project: Path) -> None:
    assert catalogue.load().runner == SEQUENTIAL
    toml = project / "pipelines.toml"
    toml.write_text(f"[runner]\nworkers = 2\nthreads = 1\n{toml.read_text()}")
    assert catalogue.load().runner == Runner(workers=2, threads=1)
    toml.write_text(toml.read_text().replace("workers", "worker"))
    with pytest.raises(RequestError, match=r"pipelines.toml:2 \[runner\].*worker"):
        catalogue.load()


class Mortal:
    """Workers of which one dies at each try of the unit `mortal`."""

    workers = 2

    def __init__(self) -> None:
        self.tried: list[str] = []

    def run(self, unit: Unit) -> WorkResult:
        self.tried.append(unit.flow)
        if unit.flow == "mortal":
            raise WorkerDied("its process ended with status -9")
        return WorkResult(unit.flow)

    def close(self) -> None:
        self.tried.append("closed")


def test_a_unit_that_kills_its_workers_fails_alone() -> None:
    workers = Mortal()
    pool = Pool(workers)

    done = dict(pool.run(Unit(name, {}) for name in ("one", "mortal", "two")))
    pool.close()

    assert done == {
        0: WorkResult("one"),
        1: WorkResult(failed=f"its process ended with status -9; it was tried {MAX_ATTEMPTS} times"),
        2: WorkResult("two"),
    }
    assert sorted(workers.tried) == sorted(["one", "two", "closed", *["mortal"] * MAX_ATTEMPTS])


def test_a_worker_that_differs_says_in_what(project: Path) -> None:
    here = fingerprint()
    assert here["tensorflow"] == metadata.version("tensorflow")
    assert mismatch(here, here, str(project)) == ""
    other = here | {"tensorflow": "2.0"}
    said = f"tensorflow: {here['tensorflow']}, but 2.0 is required. Install the same version."
    assert mismatch(here, other, str(project)) == said
    without = {name: version for name, version in here.items() if name != "statsmodels"}
    assert mismatch(without, here, str(project)).startswith("statsmodels: not installed, but ")
    assert mismatch(here, here, "/nowhere") == (
        "/nowhere: no pipelines.toml. A worker needs the project's folder at the same place: share or copy it."
    )


def test_an_address_where_nobody_answers_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "CONNECT_TIMEOUT", 0.5)
    with pytest.raises(WorkError) as told:
        dask_cluster.Cluster("tcp://127.0.0.1:9", None)
    said = str(told.value)
    assert said.startswith("[runner] address: no Dask scheduler answers at tcp://127.0.0.1:9 (")
    assert said.endswith("Start it (dask scheduler), or correct the address.")
    assert "\n" not in said


def test_a_cluster_without_workers_is_told_also_where_it_is_said_how_many_to_use() -> None:
    from distributed import LocalCluster

    with LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address="127.0.0.1:0") as empty:
        with pytest.raises(
            WorkError, match=r"has no workers. Start some: dask worker tcp://127.0.0.1:\d+ --nthreads 1"
        ):
            dask_cluster.Cluster(empty.scheduler_address, 4)
        clients = empty.scheduler.clients
        wait_until(lambda: set(clients) == {"fire-and-forget"}, "the refused client to leave")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "value"), [("CONNECT_TIMEOUT", 1e-6), ("count_threads", None)], ids=["connect", "count"]
)
def test_a_cluster_that_was_started_here_and_cannot_be_used_is_closed(
    limit: str, value: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = set(multiprocessing.active_children())
    monkeypatch.setattr(dask_cluster, limit, value or interrupt)

    with pytest.raises(WorkError if value else KeyboardInterrupt):
        dask_cluster.Cluster(None, 1)

    wait_until(lambda: not set(multiprocessing.active_children()) - before, "the processes of the cluster to end")


class Idler:
    """A worker process that has ended, or has not."""

    def __init__(self, status: int | None = None) -> None:
        self.process, self.status = self, status

    def poll(self) -> int | None:
        return self.status

    def run(self, unit: Unit, client: object) -> WorkResult:
        assert self.status is None, "it has ended"
        return WorkResult(unit.flow)


def test_a_worker_that_ended_while_it_waited_is_given_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "Worker", Idler)
    workers = process.Processes(2)
    workers._idle = [Idler(), Idler(0), Idler(0)]

    assert workers.run(Unit("one", {})) == WorkResult("one")
    assert [idler.poll() for idler in workers._idle] == [None]


def test_dask_that_is_not_installed_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RequestError) as told:
        dask_cluster.Cluster(None, 1)
    assert str(told.value) == (
        "[runner] kind: \"dask\" needs distributed, which is not installed. Run: pip install 'gristmill[dask]'."
    )


@pytest.mark.parametrize(
    ("scheduler", "api", "passed"),
    [
        ("tcp://127.0.0.1:8786", "http://127.0.0.1:4200/api", True),
        ("tcp://head:8786", "http://127.0.0.1:4200/api", False),
        ("tcp://head:8786", "http://prefect:4200/api", True),
    ],
)
def test_an_api_that_listens_on_this_machine_alone_is_not_named_to_another(
    scheduler: str, api: str, passed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", api)
    assert ("PREFECT_API_URL" in dask_cluster._environment(scheduler)) == passed


@pytest.mark.slow
def test_a_cluster_that_is_started_here_leaves_the_threads_of_this_process_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in LINEAR_ALGEBRA_VARIABLES:
        monkeypatch.delenv(name, raising=False)

    started = dask_cluster.Cluster(None, 1)

    try:
        assert [name for name in LINEAR_ALGEBRA_VARIABLES if name in os.environ] == []
    finally:
        started.close()


@pytest.mark.parametrize(("server", "seconds"), [("http://own", None), ("http://named", 30)])
def test_a_worker_sends_heartbeats_to_a_server_that_outlives_the_run(
    server: str, seconds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY

    ended = SimpleNamespace(result=lambda **_: PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value())
    monkeypatch.setattr(worker_main, "load_flow", lambda _: lambda **_: ended)
    monkeypatch.setenv(TEMPORARY_API_VARIABLE, "http://own")
    monkeypatch.delenv("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", raising=False)

    assert worker_main._run_flow("chunk", {}, server) == WorkResult(seconds)


def test_a_worker_says_of_what_class_an_error_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = SimpleNamespace(result=lambda **_: SourceChanged("series.csv: changed"))
    monkeypatch.setattr(worker_main, "load_flow", lambda _: lambda **_: ended)

    done = worker_main._run_flow("chunk", {}, "http://own")

    assert done == WorkResult(failed="SourceChanged: series.csv: changed", error="SourceChanged")


@pytest.mark.parametrize(
    ("done", "raised"),
    [
        (WorkResult(failed="changed while it was read", error="SourceChanged"), SourceChanged),
        (WorkResult(failed="DataError: a row says SourceChanged: no", error="DataError"), WorkError),
        (WorkResult(failed="its process ended with status -9"), WorkError),
    ],
)
def test_a_piece_fails_by_the_class_of_its_error_whatever_the_message(
    project: Path, monkeypatch: pytest.MonkeyPatch, done: WorkResult, raised: type[WorkError]
) -> None:
    pool = SimpleNamespace(run=lambda _: iter([(0, done)]))
    monkeypatch.setattr(chunks, "open_pool", lambda *_: nullcontext(pool))

    small = catalogue.load()
    run = Run("id", small, small.pipeline("small"), None)

    with pytest.raises(WorkError) as told:
        list(make_with_workers(run, {}, [StageChunk("ingest", "key")]))

    assert type(told.value) is raised
    assert str(told.value) == f"ingest of small: {done.failed}"


@pytest.mark.parametrize("asked", [None, "3"])
def test_a_dask_workers_process_has_as_many_threads_as_where_its_work_comes_from(
    asked: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = f"[os.environ.get(name) for name in {LINEAR_ALGEBRA_VARIABLES}]"
    told = f"import json, os; input(); print(json.dumps({{'value': {values}}}))"
    for name in LINEAR_ALGEBRA_VARIABLES:
        monkeypatch.setenv(name, asked) if asked else monkeypatch.delenv(name, raising=False)
    environment = dask_cluster._environment(ADDRESS)
    monkeypatch.setattr(process, "module_command", lambda _: ([sys.executable, "-c", told], dict(os.environ)))
    for name in LINEAR_ALGEBRA_VARIABLES:
        monkeypatch.setenv(name, "1")  # as Dask has it in a worker

    worker = Worker(environment)

    assert worker.run(Unit("chunk", {}), {}).value == [asked] * len(LINEAR_ALGEBRA_VARIABLES)
    worker.wait()

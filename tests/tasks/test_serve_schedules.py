"""Schedules served by one process: its deployments, its variables and its announcement; nothing is run."""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from prefect.deployments.runner import RunnerDeployment

from conftest import SMALL
from gristmill.config.catalogue import load
from gristmill.prefect_runtime.schedule_announcement import find_running_schedule
from gristmill.runs.records import Runs
from gristmill.store.store import Store
from gristmill.tasks import serve_schedules as module
from gristmill.tasks.serve_schedules import serve_schedules
from gristmill.util.processes import PARENT_VARIABLE

API = "http://127.0.0.1:4321/api"
SCHEDULES = {
    "weekly": 'cron = "0 6 * * 1"\ntimezone = "Europe/Berlin"',
    "hourly": 'interval = "1 hour"',
    "updated": "on_event = true",
}


class Runner:
    """Stand-in for Prefect's runner, which notes what it finds when it starts."""

    served: list["Runner"]

    def __init__(self, limit: int, query_seconds: float | None) -> None:
        self.limit, self.query_seconds = limit, query_seconds
        self.deployments: dict[str, RunnerDeployment] = {}

    def add_deployment(self, deployment: RunnerDeployment) -> str:
        self.deployments[deployment.name] = deployment
        return deployment.name

    async def start(self) -> None:
        self.folder, self.variables = Path.cwd(), dict(os.environ)
        self.announced = find_running_schedule(Store(self.folder / "data/store"))
        Runner.served.append(self)


@pytest.fixture(autouse=True)
def ended_silent_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Replace the server and the runner; yield the clients that ended silent runs."""
    from prefect.context import refresh_global_settings_context

    clients: list[Any] = []
    Runner.served = []
    monkeypatch.setattr(module, "Runner", Runner)
    monkeypatch.setattr(module, "get_client", lambda sync_client: nullcontext("client"))
    monkeypatch.setattr(module, "end_silent_runs", clients.append)
    with patch.dict(os.environ):
        yield clients
    refresh_global_settings_context()


def serve(project: Path, own_api: str | None, names: Iterable[str] = SCHEDULES) -> Runner:
    """Serve three pipelines, or some of them, from another folder, and return the runner that did."""
    (project / "pipelines.toml").write_text(
        "".join(
            SMALL.replace("pipelines.small", f"pipelines.{name}") + f"\n[pipelines.{name}.schedule]\n{schedule}\n"
            for name, schedule in SCHEDULES.items()
        )
    )
    catalogue = load(project)
    os.chdir("/")
    serve_schedules(catalogue, [catalogue.pipeline(name) for name in names], 2, own_api)
    (runner,) = Runner.served
    return runner


def test_every_pipeline_is_deployed_by_its_schedule(project: Path, ended_silent_runs: list[Any]) -> None:
    runner = serve(project, API)

    assert runner.limit == 2
    assert list(runner.deployments) == [f"{name}-retrain-here" for name in SCHEDULES]
    weekly, hourly, updated = runner.deployments.values()
    (cron,) = weekly.schedules or []
    assert cron.schedule.model_dump(include={"cron", "timezone"}) == {"cron": "0 6 * * 1", "timezone": "Europe/Berlin"}
    (interval,) = hourly.schedules or []
    assert getattr(interval.schedule, "interval", None) == timedelta(hours=1)
    assert updated.schedules == []
    assert [len(each.triggers) for each in (weekly, hourly, updated)] == [0, 0, 1]
    assert [
        (each.concurrency_options.collision_strategy.value if each.concurrency_options else None)
        for each in (weekly, hourly)
    ] == ["ENQUEUE", "ENQUEUE"]
    for name, deployment in zip(SCHEDULES, (weekly, hourly, updated), strict=True):
        assert deployment.parameters == {"pipeline": name}
        assert deployment.entrypoint == "gristmill.prefect_runtime.entrypoints.retrain"
        assert (deployment.concurrency_limit, deployment.paused) == (1, False)
    assert ended_silent_runs == ["client"]


def test_runs_work_in_the_projects_folder_and_know_their_parent(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("gristmill"), "level", logging.ERROR)  # -q

    runner = serve(project, None)

    assert runner.folder == project
    assert runner.variables[PARENT_VARIABLE] == str(os.getpid())
    assert runner.variables["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
    assert runner.variables["PREFECT_LOGGING_LEVEL"] == "ERROR"


def test_what_ended_with_the_machine_is_told_at_the_start(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Path] = []
    monkeypatch.setattr(module, "deliver", lambda catalogue: told.append(catalogue.root))
    serve(project, None)
    assert told == [project]


def test_a_retraining_that_ended_with_the_last_schedule_starts_once_more(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[Any, ...]] = []
    monkeypatch.setattr(module, "restart", lambda *arguments: started.append(arguments))
    serve(project, None)
    monkeypatch.setattr("gristmill.runs.records.is_running", lambda *_: False)
    catalogue = load(project)
    runs = Runs(catalogue.store)
    for name, restarts in (("weekly", True), ("hourly", False)):
        runs.start(catalogue.pipeline(name), [], {}, restarts=restarts)
    ended = runs.start(catalogue.pipeline("updated"), [], {}, restarts=True)
    runs.finish("updated", ended.id, "interrupted")  # by Ctrl-C
    later = runs.start(catalogue.pipeline("weekly"), [], {})  # not a retraining
    runs.finish("weekly", later.id, "succeeded")

    for _ in range(2):  # the second start finds nothing to do
        Runner.served.clear()
        serve(project, None)

    assert started == [("client", "weekly-retrain-here", {"pipeline": "weekly"})]


def test_a_retraining_that_was_killed_on_another_machine_is_not_started_here(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "restart", lambda *_: pytest.fail("started"))
    serve(project, None)
    catalogue = load(project)
    begun = Runs(catalogue.store).start(catalogue.pipeline("weekly"), [], {}, restarts=True)
    file = catalogue.store.root / f"runs/weekly/{begun.id}.json"
    elsewhere = begun.model_copy(update={"host": "elsewhere", "started": begun.started - timedelta(days=8)})
    file.write_text(elsewhere.model_dump_json())

    Runner.served.clear()
    serve(project, None)


@pytest.mark.parametrize("own_api", [API, None])
def test_a_temporary_server_is_announced_while_the_schedules_are_served(project: Path, own_api: str | None) -> None:
    runner = serve(project, own_api)

    assert runner.query_seconds == (2 if own_api else None)
    if own_api:
        assert runner.announced
        assert (runner.announced.api, runner.announced.pipelines) == (API, list(SCHEDULES))
    else:
        assert runner.announced is None
    assert find_running_schedule(Store(project / "data/store")) is None

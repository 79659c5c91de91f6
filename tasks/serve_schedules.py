"""Serve a project's schedules from this process, which starts a process for each run; no worker is needed."""

import asyncio
import logging
import os
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.context import refresh_global_settings_context
from prefect.deployments.runner import RunnerDeployment
from prefect.runner import Runner
from prefect.schedules import Schedule

from gristmill.config.catalogue import Catalogue, Pipeline
from gristmill.config.deployments import RUN_ENVIRONMENT, retraining_deployment
from gristmill.prefect_runtime.api_errors import one_line_api_errors
from gristmill.prefect_runtime.schedule_announcement import announce_schedule
from gristmill.retraining.notification_delivery import deliver
from gristmill.runs.records import Record, Runs
from gristmill.util.processes import PARENT_VARIABLE
from tasks.automations import end_silent_runs
from tasks.deployed_runs import restart


def serve_schedules(catalogue: Catalogue, pipelines: list[Pipeline], limit: int, own_api: str | None = None) -> None:
    """Retrain pipelines by their schedules until interrupted, up to `limit` at a time.

    The runs work in the project's folder. `own_api` is the temporary server of this process, if there is one; its
    address is announced to other commands.
    """
    os.chdir(catalogue.root)
    os.environ.update(RUN_ENVIRONMENT)
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    level = logging.getLogger("gristmill").getEffectiveLevel()  # -q raises it
    os.environ["PREFECT_LOGGING_LEVEL"] = logging.getLevelName(level)  # for the runs, which only log here
    refresh_global_settings_context()
    with one_line_api_errors(), get_client(sync_client=True) as client:
        end_silent_runs(client)
        runner = Runner(limit=limit)
        for pipeline in pipelines:
            added: Any = runner.add_deployment(_runner_deployment(retraining_deployment(pipeline)))
            if _was_killed(next(Runs(catalogue.store).newest_first(pipeline.name), None)):
                restart(client, added, {"pipeline": pipeline.name})
    names = [pipeline.name for pipeline in pipelines]
    deliver(catalogue)  # about runs that ended with the machine
    with announce_schedule(catalogue.store, own_api, names) if own_api else nullcontext():
        asyncio.run(runner.start())


def _runner_deployment(deployment: dict[str, Any]) -> RunnerDeployment:
    """Return a deployment of `prefect.yaml` for this process, under another name than the one for workers."""
    return RunnerDeployment.from_entrypoint(
        deployment["entrypoint"],
        name=f"{deployment['name']}-here",
        schedules=[_schedule(given) for given in deployment["schedules"]],
        concurrency_limit=ConcurrencyLimitConfig.model_validate(deployment["concurrency_limit"]),
        triggers=deployment["triggers"],
        parameters=deployment["parameters"],
        description=deployment["description"],
        tags=deployment["tags"],
        paused=False,  # serving pauses it when it ends
    )


def _was_killed(last: Record | None) -> bool:
    """Return whether the last run was killed with the program that would have started it once more."""
    return last is not None and last.outcome == "interrupted" and last.finished is None and last.restarts


def _schedule(given: dict[str, Any]) -> Schedule:
    if "interval" not in given:
        return Schedule(**given)
    start = datetime.fromisoformat(given["anchor_date"])
    return Schedule(interval=timedelta(seconds=given["interval"]), anchor_date=start)

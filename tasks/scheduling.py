"""The schedules of a project in this one process, which starts a process for each run: no worker, no work pool."""

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
from gristmill.prefect_runtime.api_errors import refusals_told
from gristmill.prefect_runtime.schedule_announcement import announced
from gristmill.util.processes import PARENT_VARIABLE
from tasks.automations import end_silent_runs


def keep_fresh(catalogue: Catalogue, pipelines: list[Pipeline], limit: int, own_api: str | None = None) -> None:
    """Retrain pipelines by their schedules until interrupted.

    Args:
        catalogue: the project; it becomes this process's folder, in which the runs work.
        pipelines: those with a schedule.
        limit: runs at a time.
        own_api: address of the temporary server of this process, which other commands are to find.
    """
    os.chdir(catalogue.root)
    os.environ.update(RUN_ENVIRONMENT)
    os.environ[PARENT_VARIABLE] = str(os.getpid())
    os.environ["PREFECT_LOGGING_LEVEL"] = _level()  # of the runs: what they print is all there is to see
    refresh_global_settings_context()
    with refusals_told(), get_client(sync_client=True) as client:
        end_silent_runs(client)
        runner = Runner(limit=limit)
        for pipeline in pipelines:
            runner.add_deployment(_served(retraining_deployment(pipeline)))
    names = [pipeline.name for pipeline in pipelines]
    with announced(catalogue.store, own_api, names) if own_api else nullcontext():
        asyncio.run(runner.start())


def _level() -> str:
    """Return the level of gristmill's own log in this process, which `-q` raises."""
    return logging.getLevelName(logging.getLogger("gristmill").getEffectiveLevel())


def _served(deployment: dict[str, Any]) -> RunnerDeployment:
    """Return a deployment of `prefect.yaml` in the form that this process serves, beside those that workers serve."""
    return RunnerDeployment.from_entrypoint(
        deployment["entrypoint"],
        name=f"{deployment['name']}-here",
        schedules=[_clock(given) for given in deployment["schedules"]],
        concurrency_limit=ConcurrencyLimitConfig.model_validate(deployment["concurrency_limit"]),
        triggers=deployment["triggers"],
        parameters=deployment["parameters"],
        description=deployment["description"],
        tags=deployment["tags"],
        paused=False,  # as serving leaves it at its end
    )


def _clock(given: dict[str, Any]) -> Schedule:
    if "interval" not in given:
        return Schedule(**given)
    start = datetime.fromisoformat(given["anchor_date"])
    return Schedule(interval=timedelta(seconds=given["interval"]), anchor_date=start)
